/**
 * Snapshot of an image that nobody writes to: the file gets a second name and is sealed, and a child takes its place
 * under the old name. The switch is one rename: before it the old name is the image, after it the child.
 */

import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { findChildren } from '../chain/children.ts';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { NewFile } from '../formats/format.ts';
import { identityOf, openImage } from '../formats/open.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { shortName, temporaryName } from '../storage/temporary.ts';
import { checkUsage } from '../usage.ts';
import { newChildOf, tieTo, writeParts } from './create.ts';
import { hasJournal, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';

/** How a snapshot is made. */
export interface SnapshotOptions extends OperationOptions {
  /** Where the sealed image goes, in the same folder; made from the name and the time when left out. */
  readonly as?: string;
  readonly now?: Date;
}

/** What a snapshot left. */
export interface SnapshotResult {
  /** The sealed image, with the content of the moment. */
  readonly snapshot: string;
  /** The child that has the old name. */
  readonly leaf: string;
  readonly leafUuid: string;
}

/**
 * Seals the image `name` under another name and puts an empty child in its place.
 * Errors: LOCKED, EXISTS, USAGE (another folder), HAS_CHILDREN (they name the image by its path), NOT_VHD, NO_SPACE, IO.
 */
export async function snapshotImage(name: string, options: SnapshotOptions = {}): Promise<SnapshotResult> {
  checkUsage('snapshotImage', { paths: { name }, options });
  const storage = storageOf(options);
  const now = options.now ?? new Date();
  const image = storage.stat(name) === undefined ? name : storage.resolve(name); // Links stay where they are.
  const snapshot = options.as ?? freeName(image, now, storage);
  if (folderOf(path.resolve(snapshot)) !== folderOf(path.resolve(image))) {
    throw new VhdError('USAGE', `a snapshot of ${name} stays in its folder; ${snapshot} is in another`);
  }
  if (storage.stat(snapshot) !== undefined) throw new VhdError('EXISTS', `${snapshot} is there already`);
  const made = await withLocks([image], storage, () => snapshotLocked(image, snapshot, now, storage));
  return { ...made, leaf: name };
}

async function snapshotLocked(name: string, snapshot: string, now: Date, storage: Storage): Promise<SnapshotResult> {
  refuseChildren(name, storage);
  const before = identityOf(name, storage) ?? NIL_IDENTITY;
  const child = temporaryName(name);
  const leafUuid = randomUUID();
  await writeNewFile(child, { storage }, (file) =>
    writeParts(file, emptyChild(name, snapshot, leafUuid, now, storage)),
  );
  try {
    await runSteps(
      name,
      [
        { do: 'swap', file: name, before, snapshot, child, uuid: leafUuid },
        { do: 'mode', file: snapshot, uuid: before, isWritable: false },
      ],
      storage,
    );
  } catch (error) {
    if (!hasJournal(name, storage)) storage.remove(child); // Else the next open goes on from here.
    throw error;
  }
  return { snapshot, leaf: name, leafUuid };
}

/** The child of what will be the snapshot; it is in the same folder, under a name that is not there yet. */
function emptyChild(name: string, snapshot: string, identity: string, now: Date, storage: Storage): NewFile {
  const parent = openImage(name, { storage });
  void parent.close();
  const base = path.basename(snapshot);
  const fields = { identity, now, ...(parent.isWhole ? {} : { blockBytes: parent.blockBytes }) };
  return newChildOf(parent, parent.sizeBytes, fields, {
    identity: tieTo(parent),
    name: base,
    relativePath: `./${base}`,
    absolutePath: path.join(storage.resolve(folderOf(name)), base),
    modified: storage.stat(name)?.modifiedAt ?? now,
  });
}

/** A name that nobody has: two snapshots in one second get different ones. */
function freeName(name: string, now: Date, storage: Storage): string {
  const { dir, name: stem, ext } = path.parse(snapshotName(name, now));
  for (let i = 1; ; i++) {
    const candidate = path.join(dir, `${stem}${i === 1 ? '' : `-${i}`}${ext}`);
    if (storage.stat(candidate) === undefined) return candidate;
  }
}

/** `disk.vhd` becomes `disk.20261121T101500Z.vhd`. */
export function snapshotName(name: string, now: Date): string {
  const { dir, name: stem, ext } = path.parse(name);
  return path.join(dir, `${shortName(stem)}.${now.toISOString().replaceAll(/[-:]|\.\d+/g, '')}${ext}`);
}

function refuseChildren(name: string, storage: Storage): void {
  const uuid = identityOf(name, storage);
  const children = uuid === undefined ? [] : findChildren(name, uuid, storage);
  if (0 < children.length)
    throw new VhdError('HAS_CHILDREN', `other images depend on ${name} by that name: ${children.join(', ')}`);
}
