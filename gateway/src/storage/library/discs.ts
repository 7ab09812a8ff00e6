/** Disc images for CD drives: plain files in one folder, by their names. */
import { createReadStream, createWriteStream, linkSync, lstatSync, readdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Disc } from '../../../api/image.ts';
import { GatewayError } from '../../errors.ts';

/** The id of a disc is its file name. Nothing hidden, and nothing that any program takes for a path or an option. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._ +-]{0,127}$/;

/** BOUNDED: what is listed of a folder that anybody may have filled. */
const MOST_FILES = 1000;

export interface PlainFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly modifiedAt: string;
}

/** Files of a folder, by name: neither links, which could lead anywhere, nor what is hidden. */
export function plainFiles(folder: string): PlainFile[] {
  const files: PlainFile[] = [];
  for (const name of readdirSync(folder).toSorted()) {
    if (MOST_FILES <= files.length) break;
    const found = lstatSync(path.join(folder, name), { throwIfNoEntry: false });
    if (name.startsWith('.') || found?.isFile() !== true) continue;
    files.push({ name, sizeBytes: found.size, modifiedAt: found.mtime.toISOString() });
  }
  return files;
}

export interface DiscsOptions {
  readonly folder: string;
  /** Names of the VMs that have it in their drive. */
  readonly holdersOf: (name: string) => Promise<readonly string[]>;
}

export class Discs {
  readonly #options: DiscsOptions;

  constructor(options: DiscsOptions) {
    this.#options = options;
  }

  get folder(): string {
    return this.#options.folder;
  }

  list(): Disc[] {
    return plainFiles(this.folder).filter(({ name }) => NAME.test(name));
  }

  /** Errors: NOT_FOUND; CONFLICT while it is in a drive. */
  async remove(name: string): Promise<void> {
    if (this.list().every((disc) => disc.name !== name))
      throw new GatewayError('NOT_FOUND', `there is no disc ${name}`);
    const holders = await this.#options.holdersOf(name);
    if (0 < holders.length)
      throw new GatewayError('CONFLICT', `disc ${name} is in the drive of ${holders.join(', ')}: take it out first`);
    rmSync(path.join(this.folder, name));
  }

  /** Errors: UNPROCESSABLE: no name for a disc; ALREADY_EXISTS. */
  requireFree(name: string): void {
    if (!NAME.test(name))
      throw new GatewayError(
        'UNPROCESSABLE',
        `${name} is no name for a disc: letters, digits, spaces and . _ + - only, at most 128, a letter or digit first`,
      );
    if (lstatSync(path.join(this.folder, name), { throwIfNoEntry: false }) !== undefined)
      throw new GatewayError(
        'ALREADY_EXISTS',
        `there is a disc ${name} already: delete it first, or give the new one another name`,
      );
  }

  /** Takes a file in as a disc; it is there when it is whole. The source is left to whoever has it. Errors: as `requireFree`. */
  async take(file: string, name: string, signal: AbortSignal): Promise<void> {
    this.requireFree(name);
    const target = path.join(this.folder, name);
    const beside = path.join(this.folder, `.${name}.part`);
    rmSync(beside, { force: true });
    try {
      try {
        linkSync(file, beside);
      } catch {
        await pipeline(createReadStream(file), createWriteStream(beside, { flags: 'wx', mode: 0o600, flush: true }), {
          signal,
        });
      }
      linkSync(beside, target);
    } finally {
      rmSync(beside, { force: true });
    }
  }
}

/** Nothing but a plain file in the folder of discs will do. Errors: UNPROCESSABLE. */
export function discUri(folder: string, name: string): string {
  const file = path.join(folder, name);
  if (!NAME.test(name) || lstatSync(file, { throwIfNoEntry: false })?.isFile() !== true)
    throw new GatewayError('UNPROCESSABLE', `no disc image ${name} in the folder of discs, ${folder}`);
  return `file://${file.split('/').map(encodeURIComponent).join('/')}`;
}
