/** An image with content whose bytes tests change: what `open.test.ts` and `parent.test.ts` start from. */

import { type OpenChainOptions, openChain } from '../chain/open.ts';
import { encodeFooter, type Footer } from '../formats/vhd/codec/footer.ts';
import { encodeHeader, type Header } from '../formats/vhd/codec/header.ts';
import { readFooter, readHeader } from '../formats/vhd/image-metadata.ts';
import type { Storage } from '../storage/storage.ts';
import { makeImage, SMALL_BLOCK_BYTES } from './images.ts';

/** Path and size of the image. */
export const IMAGE = '/disks/a.vhd';
export const SIZE: number = 3 * SMALL_BLOCK_BYTES;

/** An image with one written block, and its bytes to be changed. */
export async function makeWritten(storage: Storage, name: string = IMAGE): Promise<void> {
  await makeImage(storage, name, { sizeBytes: SIZE });
  const disk = await openChain(name, { storage, isReadOnly: false });
  await disk.write(new Uint8Array(4096).fill(9), SMALL_BLOCK_BYTES);
  await disk.close();
}

/** Writes bytes into a file. */
export function patch(storage: Storage, name: string, position: number, bytes: Uint8Array): void {
  const file = storage.open(name, 'write');
  file.writeSync(bytes, 0, bytes.byteLength, position);
  void file.close();
}

/** What a file says about itself. */
export interface Records {
  readonly footer: Footer;
  readonly header: Header;
  readonly sizeBytes: number;
}

/** Footer and header of an image. */
export function recordsOf(storage: Storage, name: string): Records {
  const file = storage.open(name, 'read');
  const { footer } = readFooter(file);
  const records = { footer, header: readHeader(file, footer), sizeBytes: file.sizeBytes };
  void file.close();
  return records;
}

/** Changes fields of the header. */
export function patchHeader(storage: Storage, name: string, changes: Partial<Header>): void {
  const { footer, header } = recordsOf(storage, name);
  patch(storage, name, footer.headerOffset ?? 0, encodeHeader({ ...header, ...changes }));
}

/** Changes fields of footer and copy. */
export function patchFooters(storage: Storage, name: string, changes: Partial<Footer>): void {
  const { footer, sizeBytes } = recordsOf(storage, name);
  const bytes = encodeFooter({ ...footer, ...changes });
  patch(storage, name, 0, bytes);
  patch(storage, name, sizeBytes - 512, bytes);
}

/** The first byte of the second block of a disk. */
export async function contentOf(
  storage: Storage,
  name: string = IMAGE,
  options: OpenChainOptions = {},
): Promise<number> {
  const disk = await openChain(name, { storage, ...options });
  const bytes = new Uint8Array(1);
  await disk.read(bytes, SMALL_BLOCK_BYTES);
  await disk.close();
  return bytes[0] ?? -1;
}

/** What opening a chain noticed. */
export async function codesOf(storage: Storage, name: string = IMAGE): Promise<readonly string[]> {
  const disk = await openChain(name, { storage });
  await disk.close();
  return disk.findings.map(({ code }) => code);
}
