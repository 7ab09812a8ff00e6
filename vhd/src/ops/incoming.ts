/** What comes in as a stream, told by its content as files are. */
import { VhdError } from '../errors.ts';
import { type ContentFormat, contentOfFile } from '../formats/content.ts';
import { MemoryFile } from '../storage/memory-file.ts';

/** Enough to recognize every format by: ISO 9660 tells itself at 32 KiB. */
const HEAD_BYTES: number = 40 << 10;
/** The footer of a VHD. */
const TAIL_BYTES = 512;

/** Looks at the first bytes of a stream, and gives it back whole. Errors: those of the stream. */
export async function sniff(
  stream: AsyncIterable<Uint8Array>,
): Promise<{ readonly content: ContentFormat; readonly chunks: AsyncIterable<Uint8Array> }> {
  const iterator = stream[Symbol.asyncIterator]();
  const held: Uint8Array[] = [];
  for (let bytes = 0; bytes < HEAD_BYTES; ) {
    const next = await iterator.next();
    if (next.done === true) break;
    held.push(next.value);
    bytes += next.value.byteLength;
  }
  return { content: contentOfBytes(Buffer.concat(held)), chunks: again(held, iterator) };
}

async function* again(held: readonly Uint8Array[], iterator: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* held;
  for (;;) {
    const next = await iterator.next();
    if (next.done === true) return;
    yield next.value;
  }
}

/**
 * Passes a stream of raw bytes on. A fixed VHD looks like one until its last 512 bytes: they are not let through.
 * Errors: USAGE (it is a VHD, and has to be said to be one), those of the stream.
 */
export async function* refuseFooter(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let held: Buffer = Buffer.alloc(0);
  for await (const chunk of stream) {
    const bytes = Buffer.concat([held, chunk]);
    const end = Math.max(0, bytes.byteLength - TAIL_BYTES);
    if (0 < end) yield bytes.subarray(0, end);
    held = bytes.subarray(end);
  }
  if (contentOfBytes(held) === 'vhd')
    throw new VhdError(
      'USAGE',
      'standard input ends with the footer of a VHD: say --from vhd, or --from raw for its bytes',
    );
  if (0 < held.byteLength) yield held;
}

function contentOfBytes(bytes: Uint8Array): ContentFormat {
  const file = new MemoryFile('standard input');
  file.writeSync(bytes, 0, bytes.byteLength, 0);
  return contentOfFile(file);
}
