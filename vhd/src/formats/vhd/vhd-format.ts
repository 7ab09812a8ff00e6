/** VHD: fixed, dynamic and differencing images. Spec: Virtual Hard Disk Image Format Specification 1.0. */
import type { OpenFinding } from '../../image/finding.ts';
import type { Ties } from '../../image/identity.ts';
import type { Image } from '../../image/image.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import type { ImageFormat, NewImageFields, Target } from '../format.ts';
import { checkFile } from './check.ts';
import { newChildImage, newDynamicImage, newFixedImage } from './codec/image.ts';
import { DEFAULT_BLOCK_BYTES } from './codec/layout.ts';
import { rewriteImage } from './compact.ts';
import { DynamicImage } from './dynamic-image.ts';
import { openFixedImage } from './fixed-image.ts';
import { identityPatch } from './identify.ts';
import { readDynamicTable, readFooter, readHeader } from './image-metadata.ts';
import { lostFindings } from './lost-blocks.ts';
import { relinkPatch } from './relink.ts';
import { repairPatch } from './repair.ts';
import { resizePatch } from './resize.ts';
import { looksLikeVhd } from './signature.ts';
import { dynamicSink, fixedSink } from './sinks.ts';
import { dynamicStream, fixedStream } from './stream.ts';

/** VHD as one of the formats. */
export const vhdFormat: ImageFormat = {
  name: 'vhd',
  isOf: looksLikeVhd,
  open: openVhd,
  tiesOf,
  check: checkFile,
  repair: repairPatch,
  identify: identityPatch,
  resize: resizePatch,
  relink: relinkPatch,
  newChild: (sizeBytes, fields, parent) => newChildImage({ sizeBytes, ...optionsOf(fields) }, parent),
  rewrite: rewriteImage,
};

/** A fixed image: raw bytes and a footer. */
export const fixedTarget: Target = {
  newImage: (sizeBytes, fields) => newFixedImage({ sizeBytes, ...optionsOf(fields) }),
  sink: (file, fields) => fixedSink(file, optionsOf(fields)),
  stream: (disk, fields) => Promise.resolve(fixedStream(disk, optionsOf(fields))),
};

/** A dynamic image. */
export const dynamicTarget: Target = {
  newImage: (sizeBytes, fields) => newDynamicImage({ sizeBytes, ...optionsOf(fields) }),
  sink: (file, fields) => dynamicSink(file, fields.blockBytes ?? DEFAULT_BLOCK_BYTES, optionsOf(fields)),
  stream: (disk, fields) => dynamicStream(disk, optionsOf(fields)),
};

function optionsOf({
  identity,
  ...rest
}: NewImageFields): { readonly uuid: string } & Omit<NewImageFields, 'identity'> {
  return { uuid: identity, ...rest };
}

/** Errors: NOT_VHD, FOOTER_*, HEADER_*, BAT_*, TOO_LARGE, POISONED, UNSUPPORTED, DAMAGED, IO. */
function openVhd(file: RandomAccessFile, noticed: readonly OpenFinding[]): Image {
  const reading = readFooter(file);
  const findings = [...reading.findings, ...noticed];
  if (reading.footer.diskType === 'fixed') return openFixedImage(file, reading, findings);
  const found = readDynamicTable(file, reading.footer);
  return new DynamicImage(file, reading, found, [...findings, ...lostFindings(file.path, found.header)]);
}

/** The records alone: the table may be damaged, and is not read. Errors: as `readFooter` and `readHeader`. */
function tiesOf(file: RandomAccessFile): Ties {
  const { footer } = readFooter(file);
  const isChild = footer.diskType === 'differencing';
  const parentIdentity = isChild ? readHeader(file, footer).parentUuid : undefined;
  return { identity: footer.uuid, sizeBytes: footer.currentSizeBytes, parentIdentity };
}
