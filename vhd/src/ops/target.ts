/**
 * Where results go. What is there already is replaced only when that is asked for, and never what is in use or what
 * others stand on. A block device keeps its name and gets the bytes.
 */
import { findChildren } from '../chain/children.ts';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { readAhead } from '../copy/read-ahead.ts';
import { isZero } from '../copy/zeros.ts';
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import { identityOf } from '../formats/open.ts';
import { isSealed } from '../image/seal.ts';
import { lockForWriting } from '../storage/byte-locks.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';
import { formatSize, MIB } from '../units.ts';
import { withLocks } from './locks.ts';

/** Whether what is there may be replaced. */
export interface TargetOptions {
  readonly storage: Storage;
  readonly isReplacing: boolean;
}

/**
 * Runs `make`, which puts a new file at `name`, while nobody else can use what is there.
 * Errors: EXISTS, SEALED, HAS_CHILDREN, LOCKED, and those of `make`.
 */
export async function atTarget<T>(
  name: string,
  { storage, isReplacing }: TargetOptions,
  make: () => Promise<T>,
): Promise<T> {
  const stat = storage.stat(name);
  if (stat === undefined) return make();
  if (!isReplacing) throw new VhdError('EXISTS', `${name} is there already; --force replaces it`);
  if (stat.kind !== 'file') return make(); // It will be refused with what it is.
  refuseStoodOn(name, storage);
  return withLocks([name], storage, make);
}

/** Errors: SEALED, HAS_CHILDREN. */
function refuseStoodOn(name: string, storage: Storage): void {
  const identity = identityOf(name, storage);
  if (identity === undefined) return;
  const children = findChildren(name, identity, storage);
  if (0 < children.length)
    throw new VhdError('HAS_CHILDREN', `${name} is not replaced: ${children.slice(0, 8).join(', ')} depend on it`);
  if (isSealed(name, storage))
    throw new VhdError(
      'SEALED',
      `${name} is not replaced: it is sealed, as parents, templates and snapshots are; remove it if nothing depends on it`,
    );
}

/** What is written at a time, and what is looked at of each end for something that is there. */
const PIECE_BYTES: number = 2 * MIB;

/**
 * Writes the content of a disk onto a block device, zeros too, since something else may lie there.
 * Errors: TOO_LARGE (before anything is written), EXISTS (it holds something), LOCKED (mounted, or in use), CANCELLED, IO.
 */
export async function writeDevice(
  source: Disk,
  name: string,
  options: OperationOptions & TargetOptions,
): Promise<void> {
  const { storage, isReplacing, onProgress, signal } = options;
  const unlock = storage === fileSystem ? lockForWriting(name) : () => undefined;
  try {
    const device = storage.open(name, 'write');
    try {
      if (device.sizeBytes < source.sizeBytes)
        throw new VhdError(
          'TOO_LARGE',
          `${name} has ${formatSize(device.sizeBytes)} (${device.sizeBytes} bytes), the disk ${formatSize(source.sizeBytes)} (${source.sizeBytes})`,
        );
      if (!isReplacing && (await holdsSomething(device)))
        throw new VhdError('EXISTS', `${name} holds something already; --force writes over it`);
      let at = 0;
      for await (const chunk of readAhead(source)) {
        throwIfCancelled(signal);
        await device.write(chunk, 0, chunk.byteLength, at);
        at += chunk.byteLength;
        onProgress?.({ doneBytes: at, totalBytes: source.sizeBytes });
      }
      await device.sync();
    } finally {
      await device.close();
    }
  } finally {
    unlock();
  }
}

/** File systems, tables of partitions and containers all leave a mark in the first or the last bytes. */
async function holdsSomething(device: RandomAccessFile): Promise<boolean> {
  const length = Math.min(PIECE_BYTES, device.sizeBytes);
  const bytes = new Uint8Array(length);
  for (const position of [0, device.sizeBytes - length]) {
    await device.read(bytes, 0, length, position);
    if (!isZero(bytes)) return true;
  }
  return false;
}
