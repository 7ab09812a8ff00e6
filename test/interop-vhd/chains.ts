/** Random chains on the file system and the bytes they must read as: one program for every reader. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createChild, createImage, type Disk, openChain } from '@oriel/vhd';
import { afterAll } from 'vitest';

/** A folder that goes when the tests of the file are through. */
export function testFolder(name: string): string {
  const folder = mkdtempSync(join(tmpdir(), `oriel-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** Seeded numbers from 0 up to, not including, `below`. */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** What a chain is to be. */
export interface ChainPlan {
  readonly seed: number;
  readonly depth: number;
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  readonly rootType?: 'fixed' | 'dynamic';
  /** Writes end on multiples of this many bytes, a sector unless said otherwise. */
  readonly endsOn?: number;
}

/** A chain, and what each of its links must read as. */
export interface Chain {
  /** Root first. */
  readonly files: readonly string[];
  readonly contents: readonly Buffer[];
}

/** Makes a chain; partial bitmaps, overwrites and zeros over data of parents are among what is written. */
export async function makeChain(folder: string, plan: ChainPlan): Promise<Chain> {
  const random = seeded(plan.seed);
  const files: string[] = [];
  const contents: Buffer[] = [];
  let content = Buffer.alloc(plan.sizeBytes);
  const block = plan.blockBytes === undefined ? {} : { blockBytes: plan.blockBytes };
  for (let link = 0; link < plan.depth; link++) {
    const file = join(folder, `s${plan.seed}-${link}.vhd`);
    const parent = files.at(-1);
    if (parent !== undefined) await createChild(file, { parent, ...block });
    else await createImage(file, { sizeBytes: plan.sizeBytes, type: plan.rootType ?? 'dynamic', ...block });
    content = Buffer.from(content);
    const disk = await openChain(file, { isReadOnly: false });
    for (let i = 0; i < 2 + random(5); i++) await writeOnce(disk, content, random, plan.endsOn ?? 512);
    await disk.close();
    files.push(file);
    contents.push(content);
  }
  return { files, contents };
}

async function writeOnce(
  disk: Disk,
  content: Buffer,
  random: (below: number) => number,
  endsOn: number,
): Promise<void> {
  const sectors = content.length / 512;
  const first = random(sectors);
  const count = Math.min(sectors - first, 1 + random([4, 100, 5000][random(3)] ?? 4));
  const offset = first * 512;
  const length = Math.min(content.length, Math.ceil((offset + count * 512) / endsOn) * endsOn) - offset;
  if (random(4) === 0) {
    await disk.writeZeroes(offset, length, { mayUnmap: random(2) === 0 });
    content.fill(0, offset, offset + length);
    return;
  }
  // Not on sector boundaries either: the rest of a sector comes from below.
  const start = offset + random(300);
  const bytes = Buffer.alloc(Math.max(1, length - random(212) - (start - offset)));
  for (let i = 0; i < bytes.length; i++) bytes[i] = 1 + random(255);
  await disk.write(bytes, start);
  content.set(bytes, start);
}

/** All bytes of a disk as we read them. */
export async function readOurs(file: string): Promise<Buffer> {
  const disk = await openChain(file);
  try {
    const bytes = Buffer.alloc(disk.sizeBytes);
    await disk.read(bytes, 0);
    return bytes;
  } finally {
    await disk.close();
  }
}
