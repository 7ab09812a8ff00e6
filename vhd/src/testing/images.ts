/** Small images for tests, put straight into a storage. */
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import type { NativeFormat, NewFile } from '../formats/format.ts';
import { targetOf } from '../formats/formats.ts';
import { newChildImage } from '../formats/vhd/codec/image.ts';
import { readFooter } from '../formats/vhd/image-metadata.ts';
import type { Storage } from '../storage/storage.ts';
import { KIB } from '../units.ts';

/** Blocks as small as the library reads them. */
export const SMALL_BLOCK_BYTES: number = 512 * KIB;

/** What a test image should be. */
export interface TestImageOptions {
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  readonly type?: NativeFormat;
}

/** Makes an empty image. */
export async function makeImage(storage: Storage, name: string, options: TestImageOptions): Promise<void> {
  const { uuid: identity, ...fields } = baseFields(options.blockBytes);
  const image = targetOf(options.type ?? 'dynamic').newImage(options.sizeBytes, { identity, ...fields });
  await put(storage, name, image);
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

async function put(storage: Storage, name: string, image: NewFile): Promise<void> {
  const file = storage.open(name, 'create');
  try {
    for (const part of image.parts) file.writeSync(part.bytes, 0, part.bytes.byteLength, part.offset);
    if (file.sizeBytes < image.lengthBytes) await file.truncate(image.lengthBytes);
    await file.sync();
  } finally {
    await file.close();
  }
}
