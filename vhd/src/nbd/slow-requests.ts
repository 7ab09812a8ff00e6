/**
 * The NBD requests that are not hot: zeroes, trims and block status.
 * Spec: NBD proto.md, NBD_CMD_TRIM, NBD_CMD_WRITE_ZEROES, NBD_CMD_BLOCK_STATUS.
 */
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { MetaContext } from './export.ts';
import { type Cookie, putStatusChunk, statusChunkBytes } from './reply.ts';
import type { ReplyWriter } from './reply-writer.ts';
import { CMD, CMD_FLAG } from './wire.ts';

/** Zeroes or trims a range in steps, so that one request cannot hold the disk for long; with FUA it is stable afterwards. */
export async function changeRange(
  disk: Disk,
  type: number,
  flags: number,
  offset: number,
  length: number,
  stepBytes: number,
): Promise<void> {
  const end = offset + length;
  const mayUnmap = (flags & CMD_FLAG.noHole) === 0;
  if ((flags & CMD_FLAG.fastZero) !== 0) await refuseSlowZeroes(disk, offset, length);
  for (let at = offset; at < end; at += stepBytes) {
    const step = Math.min(stepBytes, end - at);
    await (type === CMD.trim ? disk.trim(at, step) : disk.writeZeroes(at, step, { mayUnmap }));
  }
  if ((flags & CMD_FLAG.fua) !== 0) await disk.flush();
}

/** Spec, NBD_CMD_FLAG_FAST_ZERO: fail at once where zeroing would cost as much as writing. It is free where all is zero. */
async function refuseSlowZeroes(disk: Disk, offset: number, length: number): Promise<void> {
  const extents = await disk.extents(offset, length, 64);
  const last = extents.at(-1);
  const isAllZero =
    extents.every((extent) => extent.isZero) && last !== undefined && offset + length <= last.offset + last.length;
  if (!isAllZero) throw new VhdError('UNSUPPORTED', 'zeroing this range is no faster than writing it');
}

/** One chunk for each selected context. */
export async function replyStatus(
  writer: ReplyWriter,
  contexts: readonly { readonly id: number; readonly context: MetaContext }[],
  cookie: Cookie,
  offset: number,
  length: number,
  limit: number,
): Promise<boolean> {
  const found = await Promise.all(
    contexts.map(async ({ id, context }) => ({ id, runs: await context.status(offset, length, limit) })),
  );
  for (const [index, { id, runs }] of found.entries()) {
    const at = writer.reserve(statusChunkBytes(runs.length));
    writer.commit(putStatusChunk(writer.bytes, at, cookie, index === found.length - 1, id, runs));
  }
  return true;
}
