/** Small images for tests, put straight into a storage. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { type NewImage, newChildImage, newDynamicImage, newFixedImage } from '../formats/vhd/codec/image.ts';
import { readFooter } from '../formats/vhd/image-metadata.ts';
import type { Storage } from '../storage/storage.ts';
import { KIB } from '../units.ts';

/** Blocks as small as the library reads them. */
export const SMALL_BLOCK_BYTES: number = 512 * KIB;

/** What a test image should be. */
export interface TestImageOptions {
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  readonly type?: 'fixed' | 'dynamic';
}

/** Makes an empty image. */
export async function makeImage(storage: Storage, name: string, options: TestImageOptions): Promise<void> {
  const fields = { ...baseFields(options.blockBytes), sizeBytes: options.sizeBytes };
  await put(storage, name, options.type === 'fixed' ? newFixedImage(fields) : newDynamicImage(fields));
}

/** Makes an empty child of `parent`, of the parent's size unless it says otherwise. */
export async function makeChild(
  storage: Storage,
  name: string,
  parent: string,
  options: { readonly sizeBytes?: number; readonly blockBytes?: number } = {},
): Promise<void> {
  const file = storage.open(parent, 'read');
  const { footer } = readFooter(file);
  void file.close();
  const absolutePath = path.resolve(parent);
  const link = {
    identity: footer.uuid,
    name: path.basename(parent),
    relativePath: `./${path.relative(path.dirname(path.resolve(name)), absolutePath)}`,
    absolutePath,
    modified: storage.stat(parent)?.modifiedAt ?? new Date(0),
  };
  const sizeBytes = options.sizeBytes ?? footer.currentSizeBytes;
  await put(storage, name, newChildImage({ ...baseFields(options.blockBytes), sizeBytes }, link));
}

function baseFields(blockBytes: number = SMALL_BLOCK_BYTES): {
  readonly uuid: string;
  readonly now: Date;
  readonly blockBytes: number;
} {
  return { uuid: randomUUID(), now: new Date(), blockBytes };
}

async function put(storage: Storage, name: string, image: NewImage): Promise<void> {
  const file = storage.open(name, 'create');
  try {
    for (const part of image.parts) file.writeSync(part.bytes, 0, part.bytes.byteLength, part.offset);
    await file.sync();
  } finally {
    await file.close();
  }
}
