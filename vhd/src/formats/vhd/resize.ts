/**
 * Another virtual size for an image that stays where it is. Growing is a matter of a few bytes: our tables have room up
 * to 2040 GiB, and the table of another writer is moved behind the data, since the format lets it lie anywhere; no block
 * ever moves (quirk 19).
 */
import type { Part, Patch } from '../../image/patch.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { alignUp, SECTOR_BYTES } from '../../units.ts';
import type { ImagePatch } from '../format.ts';
import { BAT_UNUSED, batBytes, batEntriesFor, encodeBat } from './codec/bat.ts';
import { encodeFooter, type Footer, hasBatmap } from './codec/footer.ts';
import { geometryFor } from './codec/geometry.ts';
import { encodeHeader, type Header } from './codec/header.ts';
import { newDynamicImage, newFixedImage, newFooter } from './codec/image.ts';
import { DATA_ALIGN_BYTES, planLayout } from './codec/layout.ts';
import { type FooterReading, readDynamicTable, readFooter, readHeader } from './image-metadata.ts';

/** What gives the image in `file` another size. Errors: USAGE, TOO_LARGE (the limits are those of a new image). */
export function resizePatch(file: RandomAccessFile, sizeBytes: number): ImagePatch {
  const reading = readFooter(file);
  const { uuid, diskType, currentSizeBytes } = reading.footer;
  const fields = { sizeBytes, uuid, now: new Date(0) };
  if (diskType === 'fixed') {
    newFixedImage(fields);
    return { identity: uuid, ...fixedPatch(reading.footer, currentSizeBytes, sizeBytes) };
  }
  newDynamicImage({ ...fields, blockBytes: readHeader(file, reading.footer).blockBytes, hasSlack: false });
  return { identity: uuid, ...dynamicPatch(file, reading, sizeBytes) };
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
function fixedPatch(before: Footer, oldBytes: number, sizeBytes: number): Patch {
  const footer: Part = { offset: sizeBytes, bytes: encodeFooter(resized(before, sizeBytes)) };
  const wasFooter: Part = { offset: oldBytes, bytes: new Uint8Array(SECTOR_BYTES) };
  const parts = oldBytes < sizeBytes ? [footer, wasFooter] : [footer];
  return { parts, sizeBytes: sizeBytes + SECTOR_BYTES };
}

function dynamicPatch(file: RandomAccessFile, reading: FooterReading, sizeBytes: number): Patch {
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
  return { parts, sizeBytes: endBytes + SECTOR_BYTES };
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
