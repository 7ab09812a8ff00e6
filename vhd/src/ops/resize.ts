/**
 * Changes the virtual size of an image in place. Growing is a matter of a few bytes: our tables have room up to 2040
 * GiB, and the table of another writer is moved behind the data, since the format lets it lie anywhere; no block ever
 * moves (quirk 19). Shrinking only cuts off what is proven to read as zero.
 */

import { VhdError } from '../errors.ts';
import { BAT_UNUSED, batBytes, batEntriesFor, encodeBat } from '../formats/vhd/codec/bat.ts';
import { encodeFooter, type Footer, hasBatmap } from '../formats/vhd/codec/footer.ts';
import { geometryFor } from '../formats/vhd/codec/geometry.ts';
import { encodeHeader, type Header } from '../formats/vhd/codec/header.ts';
import { newDynamicImage, newFixedImage, newFooter, type Part } from '../formats/vhd/codec/image.ts';
import { DATA_ALIGN_BYTES, planLayout } from '../formats/vhd/codec/layout.ts';
import { readDynamicTable, readFooter } from '../formats/vhd/image-metadata.ts';
import type { Image } from '../image/image.ts';
import { openChain, openImage } from '../image/open.ts';
import type { ChainPolicy } from '../image/parent.ts';
import { refuseSealed } from '../image/seal.ts';
import type { Storage } from '../storage/storage.ts';
import { alignUp, formatSize, SECTOR_BYTES } from '../units.ts';
import { type PatchStep, patchSteps, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';
import { chainOptions, type OperationOptions, storageOf, throwIfCancelled } from './options.ts';
import { dataRanges } from './pieces.ts';
import { isZero } from './zeros.ts';

/** What size an image is to have. */
export interface ResizeOptions extends OperationOptions {
  /** New virtual size in bytes: a multiple of 512. */
  readonly sizeBytes: number;
  /** Must be said to make an image smaller. */
  readonly isShrinking?: boolean;
  /** Where parents may lie. */
  readonly policy?: ChainPolicy;
  /** True within a merge, which may change an image that has a child. */
  readonly isCommit?: boolean;
}

/**
 * Gives an image another virtual size.
 * Errors: SEALED, LOCKED, USAGE (shrinking without being asked to), NOT_EMPTY, TOO_LARGE, NO_SPACE, IO.
 */
export async function resizeImage(name: string, options: ResizeOptions): Promise<void> {
  const storage = storageOf(options);
  if (options.isCommit === true) return resizeLocked(name, options, storage);
  refuseSealed(name, storage);
  return withLocks([name], storage, () => resizeLocked(name, options, storage));
}

async function resizeLocked(name: string, options: ResizeOptions, storage: Storage): Promise<void> {
  const image = openImage(name, { storage });
  await image.close();
  const { sizeBytes } = options;
  if (sizeBytes === image.sizeBytes) return;
  assertPossible(image, sizeBytes);
  if (sizeBytes < image.sizeBytes) {
    if (options.isShrinking !== true) {
      throw new VhdError('USAGE', `${name} has ${formatSize(image.sizeBytes)}; making it smaller has to be asked for`);
    }
    await refuseData(name, sizeBytes, options);
  }
  const step = image.kind === 'fixed' ? fixedStep(image, sizeBytes) : dynamicStep(name, sizeBytes, storage);
  await runSteps(name, patchSteps(step, storage), storage);
}

/** The limits of a new image are those of a resized one. Errors: USAGE, TOO_LARGE. */
function assertPossible(image: Image, sizeBytes: number): void {
  const fields = { sizeBytes, uuid: image.footer.uuid, now: new Date(0) };
  if (image.kind === 'fixed') newFixedImage(fields);
  else newDynamicImage({ ...fields, blockBytes: image.blockBytes, hasSlack: false });
}

/** Errors: NOT_EMPTY where anything behind `from` reads as other than zero. */
async function refuseData(name: string, from: number, options: ResizeOptions): Promise<void> {
  const disk = await openChain(name, chainOptions(options));
  try {
    const bytes = new Uint8Array(1 << 20);
    for await (const { offset, length } of dataRanges(disk, from)) {
      for (let at = offset; at < offset + length; at += bytes.byteLength) {
        throwIfCancelled(options.signal);
        const part = bytes.subarray(0, Math.min(bytes.byteLength, offset + length - at));
        await disk.read(part, at);
        if (!isZero(part))
          throw new VhdError('NOT_EMPTY', `${name} holds data behind ${formatSize(from)}, near byte ${at}`);
      }
    }
  } finally {
    await disk.close();
  }
}

function resized(footer: Footer, sizeBytes: number): Footer {
  return {
    ...footer,
    currentSizeBytes: sizeBytes,
    geometry: geometryFor(sizeBytes),
    isShort: false,
    ...creatorOf(footer),
  };
}

/**
 * Readers that know the creator may take the size from the geometry (quirk 5) or expect a batmap behind the table
 * (quirk 16): a resized image has us as its creator.
 */
function creatorOf(footer: Footer): Pick<Footer, 'creatorApp' | 'creatorVersion'> {
  const { creatorApp, creatorVersion } =
    footer.creatorApp === 'win ' ? footer : newFooter({ ...footer, headerOffset: footer.headerOffset }, new Date(0));
  return { creatorApp, creatorVersion };
}

/** The footer moves; where it was is content now and must read as zero. */
function fixedStep(image: Image, sizeBytes: number): PatchStep {
  const footer: Part = { offset: sizeBytes, bytes: encodeFooter(resized(image.footer, sizeBytes)) };
  const wasFooter: Part = { offset: image.sizeBytes, bytes: new Uint8Array(SECTOR_BYTES) };
  const parts = image.sizeBytes < sizeBytes ? [footer, wasFooter] : [footer];
  return { do: 'patch', file: image.path, uuid: image.footer.uuid, parts, sizeBytes: sizeBytes + SECTOR_BYTES };
}

function dynamicStep(name: string, sizeBytes: number, storage: Storage): PatchStep {
  const file = storage.open(name, 'read');
  try {
    const reading = readFooter(file);
    const { header, table: old } = readDynamicTable(file, reading.footer);
    const bat = old.toArray();
    const entries = batEntriesFor(sizeBytes, header.blockBytes);
    const footerBytes = encodeFooter(resized(reading.footer, sizeBytes));
    const table = new Uint32Array(entries).fill(BAT_UNUSED);
    table.set(bat.subarray(0, Math.min(bat.length, entries)));
    const parts: Part[] = [];
    let endBytes = reading.endBytes;
    let batOffset = header.batOffset;
    if (roomForTable(header, bat, reading.footer, endBytes) < batBytes(entries)) {
      batOffset = alignUp(endBytes + SECTOR_BYTES, DATA_ALIGN_BYTES);
      endBytes = batOffset + planLayout(sizeBytes, header.blockBytes).batReservedBytes;
      parts.push({ offset: batOffset, bytes: encodeBat(table) });
    } else parts.push(...changedEntries(header, bat, table));
    parts.push({ offset: endBytes, bytes: footerBytes });
    parts.push({
      offset: reading.footer.headerOffset ?? 0,
      bytes: encodeHeader({ ...header, batOffset, maxTableEntries: entries }),
    });
    parts.push({ offset: 0, bytes: footerBytes });
    return { do: 'patch', file: name, uuid: reading.footer.uuid, parts, sizeBytes: endBytes + SECTOR_BYTES };
  } finally {
    void file.close();
  }
}

/** The part of the table that is new or cleared: growing by a little writes little. */
function changedEntries(header: Header, bat: Uint32Array, table: Uint32Array): readonly Part[] {
  const perSector = SECTOR_BYTES / 4;
  const first = Math.floor(Math.min(bat.length, table.length) / perSector) * perSector;
  const bytes = encodeBat(table.subarray(Math.min(first, table.length)));
  return bytes.byteLength === 0 ? [] : [{ offset: header.batOffset + first * 4, bytes }];
}

/** Bytes from the start of the table to what comes next: a block, a locator path, a batmap or the footer. */
function roomForTable(header: Header, bat: Uint32Array, footer: Footer, endBytes: number): number {
  let next = endBytes;
  if (hasBatmap(footer)) next = Math.min(next, header.batOffset + batBytes(header.maxTableEntries)); // Quirk 16.
  for (const entry of bat) {
    const at = entry * SECTOR_BYTES;
    if (entry !== BAT_UNUSED && header.batOffset < at && at < next) next = at;
  }
  for (const { offsetBytes } of header.locators)
    if (header.batOffset < offsetBytes && offsetBytes < next) next = offsetBytes;
  if (header.batOffset < (footer.headerOffset ?? 0)) next = Math.min(next, footer.headerOffset ?? 0);
  return next - header.batOffset;
}
