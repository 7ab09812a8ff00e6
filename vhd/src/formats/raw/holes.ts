/**
 * Where a raw file has data. Node cannot ask (lseek with SEEK_DATA is not among its calls), and reading terabytes of
 * holes to see that they are zeros is slow: qemu-img is asked, which is there to run VMs anyway. Where it is not, or
 * does not answer, all of the file counts as data; the result of a copy is the same.
 */
import { spawn } from 'node:child_process';
import path from 'node:path';
import type { Range } from '../../copy/pieces.ts';
import { SECTOR_BYTES } from '../../units.ts';

/** BOUNDED: an answer longer than this (about 300,000 extents) is not waited for. */
const MAX_ANSWER_BYTES: number = 32 << 20;

/** One line of the answer. */
interface QemuExtent {
  readonly start: number;
  readonly length: number;
  readonly data: boolean;
}

/** The ranges of a raw file that are stored, in order; `undefined` where nobody can say. */
export async function storedRanges(name: string): Promise<readonly Range[] | undefined> {
  const text = await ask(['map', '--output=json', '-f', 'raw', '-U', '--', path.resolve(name)]);
  if (text === undefined) return undefined;
  try {
    const extents = JSON.parse(text) as readonly QemuExtent[];
    const ranges = extents.filter(({ data }) => data).map(({ start, length }) => ({ offset: start, length }));
    const isSound = ranges.every(
      ({ offset, length }) => Number.isSafeInteger(offset) && 0 < length && offset % SECTOR_BYTES === 0,
    );
    return isSound ? ranges : undefined;
  } catch {
    return undefined;
  }
}

function ask(args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    const child = spawn('qemu-img', args, { stdio: ['ignore', 'pipe', 'ignore'] });
    const chunks: Buffer[] = [];
    let bytes = 0;
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.byteLength;
      if (bytes <= MAX_ANSWER_BYTES) chunks.push(chunk);
      else child.kill();
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (status) =>
      resolve(status === 0 && bytes <= MAX_ANSWER_BYTES ? Buffer.concat(chunks).toString() : undefined),
    );
  });
}
