/**
 * Names of files that are not whole yet: `.oriel-<name>.<random>` beside what they are to become. They are taken away on
 * every end of the process that can be seen coming; what a killed process left is found and named, never removed unasked.
 */
import { createHash, randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { openersOf } from './open-files.ts';

/** Bytes of a file name that leave room for what is put around it; file systems take 255. */
const MAX_STEM_BYTES = 180;
const PATTERN = /^\.oriel-(.+)\.[0-9a-f]{12}(\.[a-z0-9]+)?$/;

/**
 * A name short enough to have things put around it: itself, or its start and a hash of all of it. The same each time; a
 * name of 80 Chinese signs has 240 bytes.
 */
export function shortName(name: string): string {
  if (Buffer.byteLength(name) <= MAX_STEM_BYTES) return name;
  let start = '';
  for (const sign of name) {
    if (MAX_STEM_BYTES - 17 < Buffer.byteLength(start + sign)) break;
    start += sign;
  }
  return `${start}-${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

/** True for a name that `temporaryName` makes. */
export const isTemporary = (name: string): boolean => PATTERN.test(name);

/** A temporary name beside `name`. */
export function temporaryName(name: string): string {
  return path.join(path.dirname(name), `.oriel-${shortName(path.basename(name))}.${randomBytes(6).toString('hex')}`);
}

const kept = new Set<string>();
let isWatching = false;

/** Takes the file away when the process ends, however it ends short of being killed. The result says that it is not needed any more. */
export function removeAtExit(name: string): () => void {
  if (!isWatching) process.once('exit', () => kept.forEach((one) => fs.rmSync(one, { force: true })));
  isWatching = true;
  kept.add(path.resolve(name));
  return () => kept.delete(path.resolve(name));
}

/** A file that a killed process left. */
export interface Leftover {
  readonly path: string;
  readonly storedBytes: number;
}

/** What lies in a folder that no process of this machine is at work on. Nothing where the folder cannot be read. */
export function findLeftovers(folder: string): readonly Leftover[] {
  let names: readonly string[];
  try {
    names = fs.readdirSync(folder);
  } catch {
    return [];
  }
  const found: Leftover[] = [];
  for (const name of names) {
    const image = PATTERN.exec(name)?.[1];
    // With a journal beside it, it is a part of an operation that is still to be finished.
    if (image === undefined || names.includes(`.oriel-${image}.journal`)) continue;
    const file = path.join(folder, name);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (stat?.isFile() === true && openersOf(stat).length === 0)
      found.push({ path: file, storedBytes: stat.blocks * 512 });
  }
  return found;
}
