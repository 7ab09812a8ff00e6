/** What is worth knowing about an image, from its metadata alone: no data is read. */
import { findChildren } from '../chain/children.ts';
import { openLinks } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { openImage } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { FormatName, Image } from '../image/image.ts';
import type { ImageDetails } from '../image/image-details.ts';
import type { Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { hasJournal } from './journal.ts';

/** How an image names its parent. */
export interface ParentInfo {
  readonly uuid: string;
  readonly name: string;
  /** Paths by notation (`W2ru`, `W2ku`, `MacX`), as stored. */
  readonly paths: Readonly<Record<string, string>>;
}

/** One image. Sizes in bytes. */
export interface ImageInfo extends ImageDetails {
  readonly path: string;
  readonly format: FormatName;
  readonly uuid: string;
  readonly virtualBytes: number;
  /** Size of the file, and what it takes on the storage. */
  readonly fileBytes: number;
  readonly storedBytes: number;
  readonly parent?: ParentInfo;
  /** SEALED-STAYS: nobody has write permission. */
  readonly isSealed: boolean;
  /** An operation was cut off; the next one that writes finishes it. */
  readonly isInterrupted: boolean;
  /** Images in the same folder that have this one as their parent. */
  readonly children: readonly string[];
  readonly findings: readonly OpenFinding[];
}

/** How an image is looked at. */
export interface InfoOptions extends OperationOptions {
  /** Where parents may lie. */
  readonly policy?: ChainPolicy;
  /** As `OpenImageOptions.format`. */
  readonly format?: FormatName;
}

/** What is known of one image. Errors: as `openImage`. */
export function imageInfo(name: string, options: InfoOptions = {}): ImageInfo {
  checkUsage('imageInfo', { paths: { name }, options });
  const storage = storageOf(options);
  const image = openImage(name, options.format === undefined ? { storage } : { storage, format: options.format });
  try {
    return infoOf(image, storage, options.policy);
  } finally {
    void image.close();
  }
}

/** What is known of an image and of all its parents, leaf first. Errors: as `openChain`. */
export function chainInfo(name: string, options: InfoOptions = {}): readonly ImageInfo[] {
  checkUsage('chainInfo', { paths: { name }, options });
  const storage = storageOf(options);
  const links = openLinks(name, chainOptions(options));
  try {
    return links.map((image) => infoOf(image, storage, options.policy));
  } finally {
    for (const image of links) void image.close();
  }
}

function infoOf(image: Image, storage: Storage, policy: ChainPolicy = {}): ImageInfo {
  const { format, identity, path, findings } = image;
  const stat = storage.stat(path);
  return {
    path,
    format,
    uuid: identity,
    virtualBytes: image.sizeBytes,
    fileBytes: image.file.sizeBytes,
    storedBytes: stat?.storedBytes ?? 0,
    ...image.describe(),
    ...parentOf(image),
    isSealed: stat?.isWritable === false,
    isInterrupted: hasJournal(path, storage),
    children: findChildren(path, identity, storage, policy.folders ?? []),
    findings,
  };
}

function parentOf({ parent }: Image): Partial<ImageInfo> {
  if (parent === undefined) return {};
  const paths = Object.fromEntries(parent.paths.map(({ notation, text }) => [notation, text]));
  return { parent: { uuid: parent.identity, name: parent.name, paths } };
}
