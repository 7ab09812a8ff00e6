/**
 * Gives a differencing image another parent, or the same one at another place: header and locator paths. The content is
 * not looked at. Spec: "Parent Locator Entries".
 */
import { VhdError } from '../../errors.ts';
import type { ParentLink } from '../../image/parent-link.ts';
import type { Part } from '../../image/patch.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { alignUp, SECTOR_BYTES } from '../../units.ts';
import type { ImagePatch } from '../format.ts';
import { BAT_UNUSED } from './codec/bat.ts';
import { encodeFooter } from './codec/footer.ts';
import { encodeHeader, type Header } from './codec/header.ts';
import { linkHeader } from './codec/image.ts';
import { BAT_OFFSET, HEADER_OFFSET } from './codec/layout.ts';
import { type FooterReading, readFooter, readHeader } from './image-metadata.ts';

/** What makes the image in `file` a child of `parent`. Errors: NO_PARENT where it is not differencing, NOT_VHD, HEADER_*. */
export function relinkPatch(file: RandomAccessFile, parent: ParentLink): ImagePatch {
  const reading = readFooter(file);
  if (reading.footer.diskType !== 'differencing')
    throw new VhdError('NO_PARENT', `${file.path} is ${reading.footer.diskType}: it has no parent`);
  const header = readHeader(file, reading.footer);
  const linked = linkHeader(header, parent);
  const parts = hasOurLayout(header, reading)
    ? [...linked.paths, { offset: HEADER_OFFSET, bytes: encodeHeader(linked.header) }]
    : appended(file, reading, linked);
  return { identity: reading.footer.uuid, parts };
}

/** True where the locator slots of our layout are free to write to: between our header and our table there is only them. */
function hasOurLayout(header: Header, { footer }: FooterReading): boolean {
  const areOurs = header.locators.every(
    ({ offsetBytes, spaceBytes }) => HEADER_OFFSET < offsetBytes && offsetBytes + spaceBytes <= BAT_OFFSET,
  );
  return (
    footer.headerOffset === HEADER_OFFSET && header.batOffset === BAT_OFFSET && areOurs && 0 < header.locators.length
  );
}

/** In an image of another writer there may be anything between header and table: the paths go behind everything. */
function appended(
  file: RandomAccessFile,
  reading: FooterReading,
  linked: { readonly header: Header; readonly paths: readonly Part[] },
): readonly Part[] {
  let at = alignUp(reading.endBytes + SECTOR_BYTES, SECTOR_BYTES); // Behind the footer, which stays until the new one is there.
  const parts: Part[] = [];
  const locators = linked.header.locators.map((entry, i) => {
    const bytes = linked.paths[i]?.bytes ?? new Uint8Array();
    parts.push({ offset: at, bytes });
    const placed = { ...entry, offsetBytes: at };
    at += bytes.byteLength;
    return placed;
  });
  if (BAT_UNUSED * SECTOR_BYTES <= at)
    throw new VhdError('TOO_LARGE', `${file.path} has no room below 2 TiB for a parent path`);
  const header = encodeHeader({ ...linked.header, locators });
  return [
    { offset: at, bytes: encodeFooter(reading.footer) },
    ...parts,
    { offset: reading.footer.headerOffset ?? 0, bytes: header },
  ];
}
