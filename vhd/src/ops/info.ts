/** What is worth knowing about an image, from its metadata alone: no data is read. */

import { findChildren } from '../chain/children.ts';
import { openLinks } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { openImage } from '../formats/open.ts';
import { type DiskType, qemuSizeBytes } from '../formats/vhd/codec/footer.ts';
import type { Geometry } from '../formats/vhd/codec/geometry.ts';
import { decodeLocatorPath } from '../formats/vhd/codec/locator.ts';
import { dateOf } from '../formats/vhd/codec/time.ts';
import { DynamicImage } from '../formats/vhd/dynamic-image.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { Image } from '../image/image.ts';
import { readBytesSync } from '../storage/file.ts';
import type { Storage } from '../storage/storage.ts';
import { LIMITS } from '../units.ts';
import { hasJournal } from './journal.ts';

/** How an image names its parent. */
export interface ParentInfo {
  readonly uuid: string;
  readonly name: string;
  /** Paths by notation (`W2ru`, `W2ku`, `MacX`), as stored. */
  readonly paths: Readonly<Record<string, string>>;
}

/** One image. Sizes in bytes. */
export interface ImageInfo {
  readonly path: string;
  readonly type: DiskType;
  readonly uuid: string;
  readonly virtualBytes: number;
  /** Size of the file, and what it takes on the storage. */
  readonly fileBytes: number;
  readonly storedBytes: number;
  /** Size that qemu 7.2 would see: it takes the geometry of some writers for it (quirk 5). */
  readonly qemuBytes: number;
  readonly createdAt: string;
  /** Four characters each; `win ` for images of this library. */
  readonly creator: string;
  readonly creatorVersion: string;
  readonly geometry: Geometry;
  /** Of dynamic and differencing images. */
  readonly blockBytes?: number;
  readonly blocks?: number;
  readonly allocatedBlocks?: number;
  readonly parent?: ParentInfo;
  /** SEALED-STAYS: nobody has write permission. */
  readonly isSealed: boolean;
  /** An operation was cut off; the next one that writes finishes it. */
  readonly isInterrupted: boolean;
  /** Images in the same folder that have this one as their parent. */
  readonly children: readonly string[];
  readonly findings: readonly OpenFinding[];
}

/** Where parents may lie. */
export interface InfoOptions extends OperationOptions {
  readonly policy?: ChainPolicy;
}

/** What is known of one image. Errors: as `openImage`. */
export function imageInfo(name: string, options: InfoOptions = {}): ImageInfo {
  const storage = storageOf(options);
  const image = openImage(name, { storage });
  try {
    return infoOf(image, storage, options.policy);
  } finally {
    void image.close();
  }
}

/** What is known of an image and of all its parents, leaf first. Errors: as `openChain`. */
export function chainInfo(name: string, options: InfoOptions = {}): readonly ImageInfo[] {
  const storage = storageOf(options);
  const links = openLinks(name, chainOptions(options));
  try {
    return links.map((image) => infoOf(image, storage, options.policy));
  } finally {
    for (const image of links) void image.close();
  }
}

function infoOf(image: Image, storage: Storage, policy: ChainPolicy = {}): ImageInfo {
  const { footer, path, findings } = image;
  const stat = storage.stat(path);
  return {
    path,
    type: image.kind,
    uuid: footer.uuid,
    virtualBytes: image.sizeBytes,
    fileBytes: image.file.sizeBytes,
    storedBytes: stat?.storedBytes ?? 0,
    qemuBytes: qemuSizeBytes(footer),
    createdAt: dateOf(footer.timestampSeconds).toISOString(),
    creator: footer.creatorApp,
    creatorVersion: `${footer.creatorVersion >>> 16}.${footer.creatorVersion & 0xffff}`,
    geometry: footer.geometry,
    ...blocksOf(image),
    ...parentOf(image),
    isSealed: stat?.isWritable === false,
    isInterrupted: hasJournal(path, storage),
    children: findChildren(path, footer.uuid, storage, policy.folders ?? []),
    findings,
  };
}

function blocksOf(image: Image): Partial<ImageInfo> {
  if (!(image instanceof DynamicImage)) return {};
  return { blockBytes: image.blockBytes, blocks: image.table.length, allocatedBlocks: image.table.used };
}

function parentOf(image: Image): Partial<ImageInfo> {
  if (image.kind !== 'differencing' || image.header === undefined) return {};
  const { header, file } = image;
  const paths: Record<string, string> = {};
  for (const { code, offsetBytes, lengthBytes } of header.locators) {
    if (LIMITS.locatorBytes < lengthBytes || file.sizeBytes < offsetBytes + lengthBytes) continue;
    const text = decodeLocatorPath(code, readBytesSync(file, offsetBytes, lengthBytes));
    if (text !== undefined) paths[code] = text;
  }
  return { parent: { uuid: header.parentUuid, name: header.parentName, paths } };
}
