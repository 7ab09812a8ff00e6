/**
 * Makes an image as small as its content allows. The new file takes the place of the old one when it is whole; identity,
 * parent and content are the same.
 */
import { openChain } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import { formatNamed } from '../formats/formats.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { refuseSealed } from '../image/seal.ts';
import { writeNewFile } from '../storage/new-file.ts';
import type { Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { convertDisk } from './convert.ts';
import { withLocks } from './locks.ts';

/** How an image is compacted. */
export interface CompactOptions extends OperationOptions {
  /** Where parents may lie: a zero block over data of a parent has to stay. */
  readonly policy?: ChainPolicy;
}

/** What it brought. Bytes on the storage, holes not counted. */
export interface CompactResult {
  readonly storedBytesBefore: number;
  readonly storedBytesAfter: number;
}

/** Makes an image as small as its content allows. Errors: SEALED, LOCKED, BAT_*, HEADER_*, CANCELLED, NO_SPACE, IO. */
export async function compactImage(name: string, options: CompactOptions = {}): Promise<CompactResult> {
  checkUsage('compactImage', { paths: { name }, options });
  const storage = storageOf(options);
  refuseSealed(name, storage);
  return withLocks([name], storage, () => compactLocked(name, options, storage));
}

async function compactLocked(name: string, options: CompactOptions, storage: Storage): Promise<CompactResult> {
  const before = storage.stat(name)?.storedBytes ?? 0;
  const disk = await openChain(name, chainOptions(options));
  try {
    const leaf = disk.links[0];
    if (leaf === undefined) throw new VhdError('NOT_VHD', `${name} is no VHD`);
    if (leaf.isWhole) {
      const uuid = leaf.identity;
      await convertDisk(disk, name, { ...options, storage, to: 'fixed', uuid, isReplacing: true, isLocked: true });
    } else {
      const isBelow = (offset: number, length: number): boolean =>
        disk.links.slice(1).some((image) => offset < image.sizeBytes && image.hasBlocks(offset, length));
      await writeNewFile(name, { storage, isReplacing: true }, (file) =>
        formatNamed(leaf.format).rewrite(leaf, file, isBelow, options),
      );
    }
  } finally {
    await disk.close();
  }
  return { storedBytesBefore: before, storedBytesAfter: storage.stat(name)?.storedBytes ?? 0 };
}
