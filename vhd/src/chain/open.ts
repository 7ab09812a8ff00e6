/** Opening chains: the one place that turns paths into disks, and refuses what must not be opened. */

import { VhdError } from '../errors.ts';
import type { OpenImageOptions } from '../formats/open.ts';
import { openImage } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { Image } from '../image/image.ts';
import { refuseSealed } from '../image/seal.ts';
import { DISK_LIMITS } from '../limits.ts';
import { refuseInterrupted } from '../storage/journal-name.ts';
import type { ImageLock } from '../storage/lock.ts';
import type { Storage } from '../storage/storage.ts';
import { fileSystem } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { ChainDisk, type ChainOptions } from './chain-disk.ts';
import { findChildren } from './children.ts';
import { findParent, type ParentFile } from './parent.ts';

/** How a chain is opened. */
export interface OpenChainOptions extends OpenImageOptions, ChainOptions {
  /** Where parents may lie; only the folder of the leaf when left out. */
  readonly policy?: ChainPolicy;
  /** For a chain that is written to: the number of the lease that its lock carries. */
  readonly lease?: number;
  /** True where the caller holds the lock of the leaf. */
  readonly isLocked?: boolean;
  /** False leaves out looking for children in the folder of the leaf, for callers that know there are none. */
  readonly isLookingForChildren?: boolean;
}

/**
 * Opens an image and all its parents as one disk, read-only unless asked otherwise; parents always are. A leaf that is
 * written to is locked until the disk is closed (ONE-WRITER), and is refused where it has children (SEALED-STAYS).
 * Errors: those of `openImage`, and PARENT_NOT_FOUND, PARENT_MISMATCH, PARENT_OUTSIDE, CHAIN_LOOP, CHAIN_TOO_LONG, LOCKED, IN_PROGRESS.
 */
export async function openChain(path: string, options: OpenChainOptions = {}): Promise<ChainDisk> {
  checkUsage('openChain', { paths: { path }, options });
  if (options.isCommit !== true) refuseInterrupted(path, options.storage ?? fileSystem);
  if (options.isReadOnly ?? true) return new ChainDisk(openLinks(path, options), options);
  const storage = options.storage ?? fileSystem;
  if (options.isCommit !== true) refuseSealed(path, storage); // Before the lock: a folder that is read-only has none.
  const lock = options.isLocked === true ? undefined : await takeLock(path, options, storage);
  try {
    const links = openLinks(path, options);
    try {
      if (options.isCommit !== true && options.isLookingForChildren !== false) refuseParent(links, storage);
      const onClose = async (): Promise<void> => {
        await lock?.release();
        await options.onClose?.();
      };
      return new ChainDisk(links, { ...options, onClose });
    } catch (error) {
      await Promise.all(links.map((image) => image.close()));
      throw error;
    }
  } catch (error) {
    await lock?.release();
    throw error;
  }
}

function takeLock(path: string, { lease }: OpenChainOptions, storage: Storage): Promise<ImageLock> {
  return storage.lock(path, lease === undefined ? {} : { lease });
}

/** SEALED-STAYS: an image that lost its mode, by a copy or a restore, still has its children. Errors: SEALED, IO. */
function refuseParent(links: readonly Image[], storage: Storage): void {
  const leaf = links[0];
  if (leaf === undefined) return;
  const children = findChildren(leaf.path, leaf.identity, storage);
  if (0 < children.length)
    throw new VhdError('SEALED', `${leaf.path} is the parent of ${children.slice(0, 8).join(', ')}`);
}

/** The images of a chain, leaf first, each opened by itself. The caller closes them. Errors: as `openChain`. */
export function openLinks(path: string, options: OpenChainOptions = {}): Image[] {
  const storage = options.storage ?? fileSystem;
  const maxLinks = options.limits?.chainLinks ?? DISK_LIMITS.chainLinks;
  const maxTableBytes = options.limits?.chainTableBytes ?? DISK_LIMITS.chainTableBytes;
  const links: Image[] = [openImage(path, options)];
  let tableBytes = links[0]?.tableBytes ?? 0;
  try {
    const seen = new Set([storage.stat(path)?.identity]);
    for (let child = links[0]; child?.parent !== undefined; child = links.at(-1)) {
      if (maxLinks <= links.length)
        throw new VhdError('CHAIN_TOO_LONG', `the chain of ${path} has more than ${maxLinks} images`);
      const parent = findParent(child, child.parent, { storage, leaf: path, policy: options.policy ?? {} });
      const identity = storage.stat(parent.path)?.identity;
      if (seen.has(identity)) throw new VhdError('CHAIN_LOOP', `${parent.path} is its own ancestor`);
      seen.add(identity);
      const image = openParent(parent, storage);
      links.push(image);
      tableBytes += image.tableBytes;
      if (maxTableBytes < tableBytes) {
        throw new VhdError('TOO_LARGE', `the tables of the chain of ${path} take more than ${maxTableBytes} bytes`);
      }
    }
    return links;
  } catch (error) {
    for (const image of links) void image.close();
    throw error;
  }
}

function openParent(parent: ParentFile, storage: Storage): Image {
  return openImage(parent.path, parent.isRaw ? { storage, format: 'raw' } : { storage }, parent.findings);
}
