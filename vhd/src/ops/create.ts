/**
 * Creates empty images: fixed, dynamic, and children of another image (linked clones). A child of a 2 TiB template is
 * as quick as one of a small disk: nothing of the parent is read but its footer.
 */

import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import type { NewFile, NewImageFields } from '../formats/format.ts';
import { formatNamed, targetOf } from '../formats/formats.ts';
import { lookInto } from '../formats/open.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import type { Image } from '../image/image.ts';
import type { ParentLink } from '../image/parent-link.ts';
import { seal } from '../image/seal.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { refuseOtherWriter } from './locks.ts';
import { atTarget } from './target.ts';

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
  checkUsage('createImage', { paths: { name }, options, needs: ['sizeBytes'] });
  if (!['dynamic', 'fixed', undefined].includes(options.type)) {
    throw new VhdError(
      'USAGE',
      `type ${JSON.stringify(options.type)}: need dynamic or fixed; createChild makes a differencing image`,
    );
  }
  const { sizeBytes } = options;
  const fields = fieldsOf(options);
  const file = targetOf(options.type ?? 'dynamic').newImage(sizeBytes, fields);
  await place(name, file, storageOf(options), options.isReplacing ?? false);
  return { path: name, uuid: fields.identity, sizeBytes };
}

/**
 * Creates a differencing image on top of another: a linked clone. The parent is sealed before the child appears.
 * Errors: as `createImage`; LOCKED, NOT_VHD, POISONED, UNSUPPORTED and FOOTER_* for the parent.
 */
export async function createChild(name: string, options: CreateChildOptions): Promise<CreatedImage> {
  checkUsage('createChild', { paths: { name }, options, needs: ['parent'] });
  const storage = storageOf(options);
  refuseOtherWriter(options.parent, storage);
  // Of its records alone: the table of a large template takes longer to read than the clone to make.
  const parent = lookInto(options.parent, storage, (file, format) => ({
    format: format.name,
    path: options.parent,
    ...format.tiesOf(file),
  }));
  const sizeBytes = options.sizeBytes ?? parent.sizeBytes;
  if (sizeBytes < parent.sizeBytes) {
    throw new VhdError('USAGE', `a child of ${sizeBytes} bytes cannot hold its parent of ${parent.sizeBytes}`);
  }
  const fields = fieldsOf(options);
  const link = parentLink(name, options.parent, tieTo(parent), storage);
  const file = newChildOf(parent, sizeBytes, fields, link);
  seal(options.parent, storage);
  await place(name, file, storage, options.isReplacing ?? false);
  return { path: name, uuid: fields.identity, sizeBytes };
}

/** The identity that a new child is tied to its parent by. Errors: NO_IDENTITY. */
export function tieTo(parent: Pick<Image, 'identity' | 'path'>): string {
  if (parent.identity !== NIL_IDENTITY) return parent.identity;
  throw new VhdError(
    'NO_IDENTITY',
    `${parent.path} has no identity (16 bytes of zeros, quirk 23): a child could not tell it from a raw disk, and readers would disagree; oriel vhd identify ${parent.path} gives it one`,
  );
}

/** An empty child of an image, in the format of that. Errors: UNSUPPORTED, USAGE, TOO_LARGE. */
export function newChildOf(
  parent: Pick<Image, 'format' | 'path'>,
  sizeBytes: number,
  fields: NewImageFields,
  link: ParentLink,
): NewFile {
  const { newChild } = formatNamed(parent.format);
  if (newChild === undefined)
    throw new VhdError('UNSUPPORTED', `${parent.path} is ${parent.format}: it has no children`);
  return newChild(sizeBytes, fields, link);
}

/** How a child at `childName` refers to its parent: by a relative and by an absolute path. Errors: NOT_FOUND. */
export function parentLink(childName: string, parentName: string, identity: string, storage: Storage): ParentLink {
  const absolutePath = storage.resolve(parentName);
  const childFolder = storage.resolve(folderOf(childName));
  const relative = path.relative(childFolder, absolutePath);
  return {
    identity,
    name: path.basename(absolutePath),
    relativePath: relative.startsWith('../') ? relative : `./${relative}`,
    absolutePath,
    modified: storage.stat(parentName)?.modifiedAt ?? new Date(),
  };
}

async function place(name: string, image: NewFile, storage: Storage, isReplacing: boolean): Promise<void> {
  const options = { storage, isReplacing };
  await atTarget(name, options, () => writeNewFile(name, options, (file) => writeParts(file, image)));
}

/** Writes the bytes of a new image into an empty file. Errors: NO_SPACE, IO. */
export async function writeParts(file: RandomAccessFile, { parts, lengthBytes }: NewFile): Promise<void> {
  for (const part of parts) await file.write(part.bytes, 0, part.bytes.byteLength, part.offset);
  if (file.sizeBytes < lengthBytes) await file.truncate(lengthBytes);
}

function fieldsOf(options: {
  readonly uuid?: string;
  readonly now?: Date;
  readonly blockBytes?: number;
}): NewImageFields {
  const { uuid, now, blockBytes } = options;
  const block = blockBytes === undefined ? {} : { blockBytes };
  return { identity: uuid ?? randomUUID(), now: now ?? new Date(), ...block };
}
