/**
 * Gives an image another parent. Safe: its content stays, by copying into it what the new parent has otherwise.
 * Unsafe: only the link changes, which is what a chain needs whose files were moved.
 */

import { randomUUID } from 'node:crypto';
import type { ChainDisk } from '../chain/chain-disk.ts';
import { findChildren } from '../chain/children.ts';
import { openChain, openLinks } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf, throwIfCancelled } from '../copy/options.ts';
import type { Range } from '../copy/pieces.ts';
import { VhdError } from '../errors.ts';
import { identityOf, tiesOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { refuseSealed, seal } from '../image/seal.ts';
import type { Storage } from '../storage/storage.ts';
import { SECTOR_BYTES } from '../units.ts';
import { checkUsage } from '../usage.ts';
import { readPadded, suspects, unequalRuns } from './diff.ts';
import { identityStep } from './identify.ts';
import { type JournalStep, patchSteps, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';
import { relinkSteps } from './relink.ts';

/** How an image gets another parent. */
export interface RebaseOptions extends OperationOptions {
  readonly parent: string;
  /** Only re-links: the content is what the new parent makes of it. */
  readonly isUnsafe?: boolean;
  /** Where parents may lie. */
  readonly policy?: ChainPolicy;
}

/** What a rebase did. */
export interface RebaseResult {
  /** Bytes copied into the image, because the new parent has others there. */
  readonly copiedBytes: number;
}

/**
 * Makes `name` a child of another parent. The new parent is sealed by this.
 * Errors: NO_PARENT, SEALED, LOCKED, CHAIN_LOOP, NOT_VHD, NO_SPACE, CANCELLED (the old link still holds), IO.
 */
export async function rebaseImage(name: string, options: RebaseOptions): Promise<RebaseResult> {
  checkUsage('rebaseImage', { paths: { name }, options, needs: ['parent'] });
  const storage = storageOf(options);
  const parentUuid = identityOf(options.parent, storage);
  if (parentUuid === undefined) throw new VhdError('NOT_VHD', `${options.parent} is no VHD`);
  refuseLoop(name, options, storage);
  if (options.isUnsafe !== true) refuseSealed(name, storage); // A sealed image may be re-linked; its own bytes stay.
  const copiedBytes = options.isUnsafe === true ? 0 : await copyDifference(name, options, storage);
  await withLocks([name], storage, async () => {
    seal(options.parent, storage);
    const steps = relinkSteps(name, options.parent, parentUuid, storage);
    await runSteps(
      name,
      options.isUnsafe === true ? [...steps, ...renewal(name, parentUuid, options, storage)] : steps,
      storage,
    );
  });
  return { copiedBytes };
}

/**
 * On top of another image it reads as something else: what was made from it must not take it for what it was. The same
 * parent at another place changes nothing. Errors: HAS_CHILDREN.
 */
function renewal(name: string, parentUuid: string, options: RebaseOptions, storage: Storage): readonly JournalStep[] {
  const ties = tiesOf(name, storage);
  if (ties === undefined || ties.parentIdentity === parentUuid) return [];
  const children = findChildren(name, ties.identity, storage, options.policy?.folders ?? []);
  if (0 < children.length)
    throw new VhdError('HAS_CHILDREN', `other images depend on what ${name} reads as: ${children.join(', ')}`);
  return patchSteps(identityStep(name, randomUUID(), storage), storage);
}

function refuseLoop(name: string, options: RebaseOptions, storage: Storage): void {
  const own = storage.stat(name)?.identity;
  const links = openLinks(options.parent, chainOptions(options));
  for (const image of links) void image.close();
  if (links.some((image) => storage.stat(image.path)?.identity === own)) {
    throw new VhdError('CHAIN_LOOP', `${options.parent} is ${name} or depends on it`);
  }
}

/** Copies what the new parent has otherwise, as far as the image does not store it itself. The view of it stays as it is. */
async function copyDifference(name: string, options: RebaseOptions, storage: Storage): Promise<number> {
  const disk = await openChain(name, { ...chainOptions(options), isReadOnly: false });
  let copiedBytes = 0;
  try {
    const parent = await openChain(options.parent, chainOptions(options));
    try {
      for await (const range of suspects(disk, parent, storage)) {
        copiedBytes += await copyRange(disk, parent, range, options.signal);
        options.onProgress?.({ doneBytes: range.offset + range.length, totalBytes: disk.sizeBytes });
      }
    } finally {
      await parent.close();
    }
    await disk.flush(); // Before the link changes: what only the old parent had is in the image now.
  } finally {
    await disk.close();
  }
  return copiedBytes;
}

const CHUNK_BYTES: number = 1 << 20;

async function copyRange(
  disk: ChainDisk,
  parent: ChainDisk,
  range: Range,
  signal: AbortSignal | undefined,
): Promise<number> {
  let copiedBytes = 0;
  const end = Math.min(disk.sizeBytes, range.offset + range.length);
  const ours = new Uint8Array(CHUNK_BYTES);
  const theirs = new Uint8Array(CHUNK_BYTES);
  for (let at = range.offset; at < end; ) {
    throwIfCancelled(signal);
    const [extent] = await disk.extents(at, end - at, 1);
    if (extent === undefined) break;
    const length = Math.min(CHUNK_BYTES, extent.length);
    if (extent.link !== 0) {
      await Promise.all([readPadded(disk, ours, at, length), readPadded(parent, theirs, at, length)]);
      for (const run of unequalRuns(ours, theirs, length, SECTOR_BYTES)) {
        await disk.write(ours.subarray(run.offset, run.offset + run.length), at + run.offset);
        copiedBytes += run.length;
      }
    }
    at += extent.link === 0 ? extent.length : length;
  }
  return copiedBytes;
}
