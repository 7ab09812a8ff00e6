/**
 * Disks as streams of bytes: what `export` and `convert … -` send. A stream has a length that is known before its first
 * byte, so that it can be sent with a Content-Length.
 */
import { randomUUID } from 'node:crypto';
import { enlargedDisk } from '../copy/enlarged-disk.ts';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { ByteStream, NativeFormat } from '../formats/format.ts';
import { targetOf } from '../formats/formats.ts';
import { checkUsage } from '../usage.ts';

/** What a stream is to be. */
export interface ExportOptions extends OperationOptions {
  readonly to: NativeFormat;
  readonly blockBytes?: number;
  /** Virtual size in bytes, with zeros behind the end of the disk; that of the disk when left out. */
  readonly sizeBytes?: number;
  readonly uuid?: string;
  readonly now?: Date;
}

/** The content of a disk as a stream. Errors: USAGE, TOO_LARGE, IO; of the chunks CANCELLED, IO. */
export async function exportStream(disk: Disk, options: ExportOptions): Promise<ByteStream> {
  checkUsage('exportStream', { disks: { disk }, options, needs: ['to'] });
  const { sizeBytes = disk.sizeBytes } = options;
  const source = disk.sizeBytes < sizeBytes ? enlargedDisk(disk, sizeBytes) : disk;
  const { lengthBytes, chunks } = await targetOf(options.to).stream(source, {
    identity: options.uuid ?? randomUUID(),
    now: options.now ?? new Date(),
    ...(options.blockBytes === undefined ? {} : { blockBytes: options.blockBytes }),
  });
  return { lengthBytes, chunks: watch(chunks, lengthBytes, options) };
}

/** Counts what goes by, and checks the promise of the length. */
async function* watch(
  chunks: AsyncIterable<Uint8Array>,
  lengthBytes: number,
  options: OperationOptions,
): AsyncGenerator<Uint8Array> {
  let doneBytes = 0;
  for await (const chunk of chunks) {
    throwIfCancelled(options.signal);
    yield chunk;
    doneBytes += chunk.byteLength;
    options.onProgress?.({ doneBytes, totalBytes: lengthBytes });
  }
  if (doneBytes !== lengthBytes)
    throw new VhdError('IO', `the stream has ${doneBytes} bytes instead of ${lengthBytes}: the disk has changed`);
}
