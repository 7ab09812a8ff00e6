/**
 * Folding a sealed link up into the live leaf: its content is written into the leaf wherever the leaf (and what lies
 * between) does not hide it. Each piece is copied while requests are held, so no write of the guest can fall between
 * reading the old content and storing it as the leaf's; a piece is small, so the guest hardly waits.
 */
import type { ChainDisk } from '../../chain/chain-disk.ts';
import type { Hold } from '../policies/hold.ts';

/** Copied in one hold: below the size at which the chain hands requests to the thread pool. */
const PIECE_BYTES: number = 64 << 10;
const PIECES_PER_HOLD = 4;
const SEARCH_EXTENTS = 64;

export async function copyUp(
  chain: ChainDisk,
  requests: Hold,
  link: number,
  from: number,
  budgetBytes: number,
): Promise<{ readonly offset: number; readonly copiedBytes: number }> {
  const buffer = Buffer.allocUnsafe(PIECE_BYTES);
  const scanEnd = Math.min(chain.sizeBytes, from + budgetBytes * 64);
  let at = from;
  let copiedBytes = 0;
  while (at < scanEnd && copiedBytes < budgetBytes) {
    const next = await nextRun(chain, link, at, scanEnd);
    if (next === undefined) return { offset: scanEnd, copiedBytes };
    await requests.hold();
    try {
      let end = next;
      for (let piece = 0; piece < PIECES_PER_HOLD; piece++) {
        // Looked up again now that nothing can change it.
        const run = (await chain.extents(end, Math.min(PIECE_BYTES, chain.sizeBytes - end), 1))[0];
        if (run === undefined) break;
        const bytes = buffer.subarray(0, run.length);
        if (run.link === link) {
          await chain.read(bytes, run.offset);
          await chain.write(bytes, run.offset);
          copiedBytes += run.length;
        }
        end = run.offset + run.length;
        if (chain.sizeBytes <= end) break;
      }
      at = end;
    } finally {
      requests.release();
    }
  }
  return { offset: at, copiedBytes };
}

/** Where the next run that the link stores begins. */
async function nextRun(chain: ChainDisk, link: number, from: number, end: number): Promise<number | undefined> {
  for (let at = from; at < end; ) {
    const extents = await chain.extents(at, end - at, SEARCH_EXTENTS);
    const found = extents.find((extent) => extent.link === link);
    if (found !== undefined) return found.offset;
    const last = extents.at(-1);
    at = last === undefined ? end : last.offset + last.length;
  }
  return undefined;
}
