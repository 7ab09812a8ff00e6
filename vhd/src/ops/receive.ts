/** Reads a stream of unknown length (`convert - …`) into a new file, zeros left out. */

import { SLOT_HEAD_BYTES } from '../copy/copy.ts';
import { storageOf, throwIfCancelled } from '../copy/options.ts';
import { isZero } from '../copy/zeros.ts';
import { VhdError } from '../errors.ts';
import { writeNewFile } from '../storage/new-file.ts';
import { alignUp, SECTOR_BYTES } from '../units.ts';
import { checkUsage } from '../usage.ts';
import { type ConvertOptions, sinkFor, targetSize } from './convert.ts';
import { atTarget, type TargetOptions } from './target.ts';

/**
 * Writes raw bytes as they arrive into a new file. The virtual size is what arrived, rounded up to a sector.
 * Errors: EXISTS, USAGE (nothing arrived), TOO_LARGE, NO_SPACE, CANCELLED, IO.
 */
export async function receiveDisk(
  chunks: AsyncIterable<Uint8Array>,
  target: string,
  options: ConvertOptions,
): Promise<void> {
  checkUsage('receiveDisk', { paths: { target }, options, needs: ['to'] });
  const storage = storageOf(options);
  const isReplacing = options.isReplacing ?? false;
  await atTarget(target, { storage, isReplacing }, () => receive(chunks, target, { ...options, storage, isReplacing }));
}

async function receive(
  chunks: AsyncIterable<Uint8Array>,
  target: string,
  options: ConvertOptions & TargetOptions,
): Promise<void> {
  await writeNewFile(target, options, async (file) => {
    const sink = sinkFor(file, options);
    const pool = new TwoBuffers(SLOT_HEAD_BYTES + sink.pieceBytes);
    let bytes = await pool.take();
    let filled = 0;
    let offset = 0;
    const put = async (): Promise<void> => {
      bytes.fill(0, SLOT_HEAD_BYTES + filled);
      const slot = { bytes, offset, length: alignUp(filled, SECTOR_BYTES) };
      if (!isZero(bytes, SLOT_HEAD_BYTES, SLOT_HEAD_BYTES + slot.length)) pool.use(slot.bytes, sink.put(slot));
      else pool.use(slot.bytes, Promise.resolve());
      offset += slot.length;
      filled = 0;
      bytes = await pool.take();
      options.onProgress?.({ doneBytes: offset, totalBytes: undefined });
    };
    for await (const chunk of chunks) {
      throwIfCancelled(options.signal);
      for (let at = 0; at < chunk.byteLength; ) {
        const count = Math.min(chunk.byteLength - at, sink.pieceBytes - filled);
        bytes.set(chunk.subarray(at, at + count), SLOT_HEAD_BYTES + filled);
        filled += count;
        at += count;
        if (filled === sink.pieceBytes) await put();
      }
    }
    if (0 < filled) await put();
    await pool.settle();
    if (offset === 0) throw new VhdError('USAGE', 'nothing arrived on standard input');
    await sink.finish(targetSize(offset, options));
  });
}

/** Two buffers: one fills while the other is written. The error of a write comes out of the next `take` or `settle`. */
class TwoBuffers {
  readonly #free: Uint8Array[];
  readonly #writes: Promise<Uint8Array>[] = [];

  constructor(bytes: number) {
    this.#free = [Buffer.allocUnsafeSlow(bytes), Buffer.allocUnsafeSlow(bytes)];
  }

  async take(): Promise<Uint8Array> {
    const free = this.#free.pop() ?? (await this.#writes.shift());
    if (free === undefined) throw new VhdError('IO', 'no buffer is free');
    return free;
  }

  use(bytes: Uint8Array, write: Promise<void>): void {
    const done = write.then(() => bytes);
    done.catch(() => undefined); // Told by `take` or `settle`.
    this.#writes.push(done);
  }

  async settle(): Promise<void> {
    await Promise.all(this.#writes);
  }
}
