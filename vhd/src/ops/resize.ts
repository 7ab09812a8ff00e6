/** Changes the virtual size of an image in place. Shrinking only cuts off what is proven to read as zero. */
import { openChain } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf, throwIfCancelled } from '../copy/options.ts';
import { dataRanges } from '../copy/pieces.ts';
import { isZero } from '../copy/zeros.ts';
import { VhdError } from '../errors.ts';
import { formatNamed } from '../formats/formats.ts';
import { openImage } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { refuseSealed } from '../image/seal.ts';
import type { Storage } from '../storage/storage.ts';
import { formatSize } from '../units.ts';
import { checkUsage } from '../usage.ts';
import { patchSteps, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';

/** What size an image is to have. */
export interface ResizeOptions extends OperationOptions {
  /** New virtual size in bytes: a multiple of 512. */
  readonly sizeBytes: number;
  /** Must be said to make an image smaller. */
  readonly isShrinking?: boolean;
  /** Where parents may lie. */
  readonly policy?: ChainPolicy;
  /** True within a merge, which may change an image that has a child. */
  readonly isCommit?: boolean;
}

/**
 * Gives an image another virtual size.
 * Errors: SEALED, LOCKED, USAGE (shrinking without being asked to), NOT_EMPTY, TOO_LARGE, NO_SPACE, IO.
 */
export async function resizeImage(name: string, options: ResizeOptions): Promise<void> {
  checkUsage('resizeImage', { paths: { name }, options, needs: ['sizeBytes'] });
  const storage = storageOf(options);
  if (options.isCommit === true) return resizeLocked(name, options, storage);
  refuseSealed(name, storage);
  return withLocks([name], storage, () => resizeLocked(name, options, storage));
}

async function resizeLocked(name: string, options: ResizeOptions, storage: Storage): Promise<void> {
  const image = openImage(name, { storage });
  try {
    const { sizeBytes } = options;
    if (sizeBytes === image.sizeBytes) return;
    const { identity, ...patch } = formatNamed(image.format).resize(image.file, sizeBytes);
    if (sizeBytes < image.sizeBytes) {
      if (options.isShrinking !== true) {
        throw new VhdError(
          'USAGE',
          `${name} has ${formatSize(image.sizeBytes)}; making it smaller has to be asked for`,
        );
      }
      await refuseData(name, sizeBytes, options);
    }
    await runSteps(name, patchSteps({ do: 'patch', file: name, uuid: identity, ...patch }, storage), storage);
  } finally {
    await image.close();
  }
}

/** Errors: NOT_EMPTY where anything behind `from` reads as other than zero. */
async function refuseData(name: string, from: number, options: ResizeOptions): Promise<void> {
  const disk = await openChain(name, chainOptions(options));
  try {
    const bytes = new Uint8Array(1 << 20);
    for await (const { offset, length } of dataRanges(disk, from)) {
      for (let at = offset; at < offset + length; at += bytes.byteLength) {
        throwIfCancelled(options.signal);
        const part = bytes.subarray(0, Math.min(bytes.byteLength, offset + length - at));
        await disk.read(part, at);
        if (!isZero(part))
          throw new VhdError('NOT_EMPTY', `${name} holds data behind ${formatSize(from)}, near byte ${at}`);
      }
    }
  } finally {
    await disk.close();
  }
}
