/** Where a copy goes that is a raw file: virtual bytes at their own offsets, zeros left out. */

import type { RandomAccessFile } from '../storage/file.ts';
import { type FileSink, SLOT_HEAD_BYTES, type Slot } from './copy.ts';
import { FileWriter } from './file-writer.ts';
import { dataRuns } from './zeros.ts';

/** Small enough that a piece is still in the cache when it is written, large enough that few threads have to be woken. */
const RAW_PIECE_BYTES: number = 1 << 20;

/** Virtual bytes at their own offsets; zeros become holes. */
export function rawSink(file: RandomAccessFile): FileSink {
  const writer = new FileWriter(file);
  return {
    pieceBytes: RAW_PIECE_BYTES,
    put: (slot) => putRuns(writer, slot, slot.offset),
    finish: (sizeBytes) => file.truncate(sizeBytes),
  };
}

async function putRuns(file: FileWriter, slot: Slot, at: number): Promise<void> {
  for (const run of dataRuns(slot.bytes, SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + slot.length)) {
    await file.write(slot.bytes, run.start, run.end - run.start, at + run.start - SLOT_HEAD_BYTES);
  }
}
