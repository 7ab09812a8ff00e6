/**
 * New, empty images as bytes: which bytes go where, in one list. Pure; ops/create.ts puts them into a file, the export
 * stream sends them. Spec: "Hard Disk Footer Format", "Dynamic Disk Header Format", "Parent Locator Entries".
 */

import { VhdError } from '../../../errors.ts';
import type { ParentLink } from '../../../image/parent-link.ts';
import type { Part } from '../../../image/patch.ts';
import { alignUp, formatSize, LIMITS, SECTOR_BYTES } from '../../../units.ts';
import { emptyBatPieces } from './bat.ts';
import { encodeFooter, type Footer } from './footer.ts';
import { geometryFor } from './geometry.ts';
import { encodeHeader, type Header, type LocatorEntry, plainHeader } from './header.ts';
import { DEFAULT_BLOCK_BYTES, type Layout, LOCATOR_SLOT_BYTES, LOCATORS_OFFSET, planLayout } from './layout.ts';
import { encodeLocatorPath, type LocatorCode } from './locator.ts';
import { vhdSeconds } from './time.ts';

/** A new image: its records, and all the bytes of the file that are not zero. */
export interface NewImage {
  readonly footer: Footer;
  readonly header: Header | undefined;
  readonly parts: readonly Part[];
  /** Length of the file in bytes. */
  readonly lengthBytes: number;
}

/** A new dynamic or differencing image. */
export interface NewSparseImage extends NewImage {
  readonly header: Header;
}

/** What a new image should be. */
export interface NewImageOptions {
  readonly sizeBytes: number;
  readonly uuid: string;
  readonly now: Date;
  /** Bytes of a block, 512 KiB to 16 MiB, a power of two; 2 MiB when left out. */
  readonly blockBytes?: number;
  /** False keeps no room for the table to grow: for streams. */
  readonly hasSlack?: boolean;
}

/**
 * A footer for an image that we write. The creator is `win `: qemu, Hyper-V and Azure then all take the size from
 * `currentSizeBytes`, and the geometry can be the one of the specification (quirks 5 and 6).
 */
export function newFooter(
  fields: Pick<Footer, 'diskType' | 'currentSizeBytes' | 'uuid' | 'headerOffset'>,
  now: Date,
): Footer {
  return {
    ...fields,
    originalSizeBytes: fields.currentSizeBytes,
    timestampSeconds: vhdSeconds(now),
    creatorApp: 'win ',
    creatorVersion: 0x000a_0000,
    creatorHostOs: 'Wi2k',
    geometry: geometryFor(fields.currentSizeBytes),
    isTemporary: false,
    savedState: 0,
    hidden: 0,
    isPoisoned: false,
    isShort: false,
  };
}

/** An empty fixed image. Errors: USAGE, TOO_LARGE. */
export function newFixedImage(options: NewImageOptions): NewImage {
  assertSize(options.sizeBytes, LIMITS.fixedDiskBytes, 'fixed');
  const fields = {
    diskType: 'fixed',
    currentSizeBytes: options.sizeBytes,
    uuid: options.uuid,
    headerOffset: undefined,
  } as const;
  const footer = newFooter(fields, options.now);
  const parts = [{ offset: options.sizeBytes, bytes: encodeFooter(footer) }];
  return { footer, header: undefined, parts, lengthBytes: options.sizeBytes + SECTOR_BYTES };
}

/** An empty dynamic image. Errors: USAGE, TOO_LARGE. */
export function newDynamicImage(options: NewImageOptions): NewSparseImage {
  return newSparseImage(options, 'dynamic', (layout, blockBytes) => ({
    header: plainHeader({ batOffset: layout.batOffset, maxTableEntries: layout.batEntries, blockBytes }),
    paths: [],
  }));
}

/** An empty child: everything comes from the parent. Errors: USAGE, TOO_LARGE. */
export function newChildImage(options: NewImageOptions, parent: ParentLink): NewSparseImage {
  return newSparseImage(options, 'differencing', (layout, blockBytes) => {
    const fields = { batOffset: layout.batOffset, maxTableEntries: layout.batEntries, blockBytes };
    return linkHeader({ ...plainHeader(fields) }, parent);
  });
}

/**
 * The header with a link to a parent, and the locator paths to write. They lie in the slots between header and table,
 * so that a link can be replaced in place. Order and notation as blktap's: `MacX` and `W2ru` relative, `W2ku` absolute.
 */
export function linkHeader(
  header: Header,
  parent: ParentLink,
): { readonly header: Header; readonly paths: readonly Part[] } {
  const notations: readonly (readonly [LocatorCode, string])[] = [
    ['MacX', parent.relativePath],
    ['W2ku', parent.absolutePath],
    ['W2ru', parent.relativePath],
  ];
  const paths: Part[] = [];
  const locators: LocatorEntry[] = [];
  for (const [slot, [code, path]] of notations.entries()) {
    const bytes = encodeLocatorPath(code, path);
    if (LOCATOR_SLOT_BYTES < bytes.byteLength)
      throw new VhdError('TOO_LARGE', `path of the parent takes ${bytes.byteLength} bytes`);
    const offset = LOCATORS_OFFSET + slot * LOCATOR_SLOT_BYTES;
    const spaceBytes = alignUp(bytes.byteLength, SECTOR_BYTES);
    const padded = new Uint8Array(spaceBytes);
    padded.set(bytes);
    paths.push({ offset, bytes: padded });
    locators.push({ code, spaceBytes, lengthBytes: bytes.byteLength, offsetBytes: offset });
  }
  const linked: Header = {
    ...header,
    parentUuid: parent.identity,
    parentTimestampSeconds: vhdSeconds(parent.modified),
    parentName: parent.name,
    locators,
  };
  return { header: linked, paths };
}

type Linking = (layout: Layout, blockBytes: number) => { readonly header: Header; readonly paths: readonly Part[] };

function newSparseImage(options: NewImageOptions, diskType: 'dynamic' | 'differencing', link: Linking): NewSparseImage {
  assertSize(options.sizeBytes, LIMITS.dynamicDiskBytes, diskType);
  const blockBytes = options.blockBytes ?? DEFAULT_BLOCK_BYTES;
  assertBlockSize(blockBytes);
  const layout = planLayout(options.sizeBytes, blockBytes, options.hasSlack ?? true);
  const fields = {
    diskType,
    currentSizeBytes: options.sizeBytes,
    uuid: options.uuid,
    headerOffset: layout.headerOffset,
  };
  const footer = newFooter(fields, options.now);
  const { header, paths } = link(layout, blockBytes);
  const footerBytes = encodeFooter(footer);
  const parts = [
    { offset: 0, bytes: footerBytes },
    { offset: layout.headerOffset, bytes: encodeHeader(header) },
    ...paths,
    ...consecutive(layout.batOffset, emptyBatPieces(layout.batEntries)),
    { offset: layout.blocksOffset, bytes: footerBytes },
  ];
  return { footer, header, parts, lengthBytes: layout.blocksOffset + footerBytes.byteLength };
}

function consecutive(offset: number, pieces: Iterable<Uint8Array>): Part[] {
  let at = offset;
  return Array.from(pieces, (bytes) => {
    const part = { offset: at, bytes };
    at += bytes.byteLength;
    return part;
  });
}

function assertSize(sizeBytes: number, limitBytes: number, diskType: string): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < SECTOR_BYTES || sizeBytes % SECTOR_BYTES !== 0) {
    throw new VhdError('USAGE', `size of ${sizeBytes} bytes, need a multiple of 512`);
  }
  if (limitBytes < sizeBytes) {
    throw new VhdError('TOO_LARGE', `${diskType} image of ${formatSize(sizeBytes)}, at most ${formatSize(limitBytes)}`);
  }
}

function assertBlockSize(blockBytes: number): void {
  const isPowerOfTwo = Number.isSafeInteger(Math.log2(blockBytes));
  if (!isPowerOfTwo || blockBytes < LIMITS.minBlockBytes || LIMITS.maxBlockBytes < blockBytes) {
    throw new VhdError('USAGE', `block size of ${blockBytes} bytes, need a power of two from 512K to 16M`);
  }
}
