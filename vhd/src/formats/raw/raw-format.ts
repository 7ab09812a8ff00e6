/** Raw: a file whose bytes are the virtual bytes. Nothing tells it, so it is what is left when nothing else is recognized. */
import { rawSink } from '../../copy/raw-sink.ts';
import { readAhead } from '../../copy/read-ahead.ts';
import { VhdError } from '../../errors.ts';
import { NIL_IDENTITY } from '../../image/identity.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { ImageFormat, Target } from '../format.ts';
import { openRawImage } from './raw-image.ts';

/** Raw files as one of the formats. */
export const rawFormat: ImageFormat = {
  name: 'raw',
  isOf: () => true,
  open: openRawImage,
  tiesOf: ({ sizeBytes }) => ({ identity: NIL_IDENTITY, sizeBytes, parentIdentity: undefined }),
  check: () => Promise.resolve([]),
  repair: () => undefined,
  identify: undefined,
  resize: (_, sizeBytes) => {
    assertSize(sizeBytes);
    return { identity: NIL_IDENTITY, parts: [], sizeBytes };
  },
  newChild: undefined,
  relink: (file) => {
    throw new VhdError('NO_PARENT', `${file.path} is raw: it has no parent`);
  },
  rewrite: (image) => Promise.reject(new VhdError('UNSUPPORTED', `${image.path} is raw and has no table`)),
};

/** A raw file. */
export const rawTarget: Target = {
  newImage: (sizeBytes) => {
    assertSize(sizeBytes);
    return { parts: [], lengthBytes: sizeBytes };
  },
  sink: rawSink,
  stream: (disk) => Promise.resolve({ lengthBytes: disk.sizeBytes, chunks: readAhead(disk) }),
};

function assertSize(sizeBytes: number): void {
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < SECTOR_BYTES || sizeBytes % SECTOR_BYTES !== 0) {
    throw new VhdError('USAGE', `size of ${sizeBytes} bytes, need a multiple of ${SECTOR_BYTES}`);
  }
}
