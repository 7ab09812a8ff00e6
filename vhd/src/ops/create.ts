/**
 * Creates empty images: fixed, dynamic, and children of another image (linked clones). A child of a 2 TiB template is
 * as quick as one of a small disk: nothing of the parent is read but its footer.
 */

import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { Footer } from '../formats/vhd/codec/footer.ts';
import {
  type NewImage,
  newChildImage,
  newDynamicImage,
  newFixedImage,
  type ParentLink,
} from '../formats/vhd/codec/image.ts';
import { readFooter } from '../formats/vhd/image-metadata.ts';
import { seal } from '../image/seal.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { refuseOtherWriter } from './locks.ts';

/** What a new image should be. Sizes in bytes. */
export interface CreateOptions extends OperationOptions {
  /** Virtual size: a multiple of 512, at most 2040 GiB (dynamic) or 32 TiB (fixed). */
  readonly sizeBytes: number;
  /** `dynamic` when left out. A fixed image is a file with holes until it is written to. */
  readonly type?: 'dynamic' | 'fixed';
  /** Bytes of a block: a power of two from 512 KiB to 16 MiB, 2 MiB when left out. */
  readonly blockBytes?: number;
  /** Identity of the image; a random one when left out. */
  readonly uuid?: string;
  /** Takes the place of a file that is there. */
  readonly isReplacing?: boolean;
  /** Time of creation, now when left out. */
  readonly now?: Date;
}

/** What a new child should be. */
export interface CreateChildOptions extends OperationOptions {
  /** The image it is made from; it is sealed by this (SEALED-STAYS). */
  readonly parent: string;
  /** Virtual size in bytes, not below the parent's; the parent's when left out. */
  readonly sizeBytes?: number;
  readonly blockBytes?: number;
  readonly uuid?: string;
  readonly isReplacing?: boolean;
  readonly now?: Date;
}

/** What was made. */
export interface CreatedImage {
  readonly path: string;
  readonly uuid: string;
  readonly sizeBytes: number;
}

/** Creates an empty image. Errors: EXISTS, USAGE, TOO_LARGE, NO_SPACE, NOT_FOUND (the folder), IO. */
export async function createImage(name: string, options: CreateOptions): Promise<CreatedImage> {
  const uuid = options.uuid ?? randomUUID();
  const fields = { sizeBytes: options.sizeBytes, uuid, now: options.now ?? new Date(), ...blockSizeOf(options) };
  const image = options.type === 'fixed' ? newFixedImage(fields) : newDynamicImage(fields);
  return place(name, image, storageOf(options), options.isReplacing ?? false);
}

/**
 * Creates a differencing image on top of another: a linked clone. The parent is sealed before the child appears.
 * Errors: as `createImage`; LOCKED, NOT_VHD, POISONED, UNSUPPORTED and FOOTER_* for the parent.
 */
export async function createChild(name: string, options: CreateChildOptions): Promise<CreatedImage> {
  const storage = storageOf(options);
  refuseOtherWriter(options.parent, storage);
  const parent = readParent(options.parent, storage);
  const sizeBytes = options.sizeBytes ?? parent.currentSizeBytes;
  if (sizeBytes < parent.currentSizeBytes) {
    throw new VhdError('USAGE', `a child of ${sizeBytes} bytes cannot hold its parent of ${parent.currentSizeBytes}`);
  }
  const fields = {
    sizeBytes,
    uuid: options.uuid ?? randomUUID(),
    now: options.now ?? new Date(),
    ...blockSizeOf(options),
  };
  const image = newChildImage(fields, parentLink(name, options.parent, parent.uuid, storage));
  seal(options.parent, storage);
  return place(name, image, storage, options.isReplacing ?? false);
}

/** How a child at `childName` refers to its parent: by a relative and by an absolute path. Errors: NOT_FOUND. */
export function parentLink(childName: string, parentName: string, uuid: string, storage: Storage): ParentLink {
  const absolutePath = storage.resolve(parentName);
  const childFolder = storage.resolve(folderOf(childName));
  const relative = path.relative(childFolder, absolutePath);
  return {
    uuid,
    name: path.basename(absolutePath),
    relativePath: relative.startsWith('../') ? relative : `./${relative}`,
    absolutePath,
    modified: storage.stat(parentName)?.modifiedAt ?? new Date(),
  };
}

async function place(name: string, image: NewImage, storage: Storage, isReplacing: boolean): Promise<CreatedImage> {
  if (!isReplacing && storage.stat(name) !== undefined) throw new VhdError('EXISTS', `${name} is there already`);
  await writeNewFile(name, { storage, isReplacing }, (file) => writeParts(file, image));
  return { path: name, uuid: image.footer.uuid, sizeBytes: image.footer.currentSizeBytes };
}

/** Writes the bytes of a new image into an empty file. Errors: NO_SPACE, IO. */
export async function writeParts(file: RandomAccessFile, image: NewImage): Promise<void> {
  for (const part of image.parts) await file.write(part.bytes, 0, part.bytes.byteLength, part.offset);
}

function blockSizeOf(options: { readonly blockBytes?: number }): { readonly blockBytes?: number } {
  return options.blockBytes === undefined ? {} : { blockBytes: options.blockBytes };
}

/** Errors: NOT_VHD, POISONED, UNSUPPORTED, FOOTER_*, NOT_FOUND, IO. */
function readParent(name: string, storage: Storage): Footer {
  const file = storage.open(name, 'read');
  try {
    return readFooter(file).footer;
  } finally {
    void file.close();
  }
}
