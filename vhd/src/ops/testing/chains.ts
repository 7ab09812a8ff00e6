/** Chains with known content, for tests of operations: each link is written to at random, and a buffer keeps the truth. */
import { openChain } from '../../chain/open.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Random } from '../../testing/random.ts';
import { SECTOR_BYTES } from '../../units.ts';
import { createChild, createImage } from '../create.ts';

/** A chain in a storage, and what it reads as at each of its links. */
export interface KnownChain {
  /** Root first; the leaf is the last. */
  readonly names: readonly string[];
  readonly leaf: string;
  /** Content at each link, in the order of `names`. */
  readonly contents: readonly Buffer[];
  readonly content: Buffer;
}

/** How a chain is made. */
export interface ChainPlan {
  readonly links: number;
  readonly sizeBytes: number;
  readonly blockBytes?: number;
  readonly rootType?: 'fixed' | 'dynamic';
  /** Writes into each link. */
  readonly writes?: number;
  readonly folder?: string;
}

/** Makes `base.vhd`, `link-1.vhd` and so on, each sealed but the last. */
export async function makeKnownChain(storage: Storage, random: Random, plan: ChainPlan): Promise<KnownChain> {
  const { folder = '/disks', sizeBytes, blockBytes = 512 * 1024 } = plan;
  const names: string[] = [];
  const contents: Buffer[] = [];
  let content = Buffer.alloc(sizeBytes);
  for (let link = 0; link < plan.links; link++) {
    const name = link === 0 ? `${folder}/base.vhd` : `${folder}/link-${link}.vhd`;
    const parent = names.at(-1);
    if (parent === undefined)
      await createImage(name, { storage, sizeBytes, blockBytes, type: plan.rootType ?? 'dynamic' });
    else await createChild(name, { storage, parent, blockBytes });
    content = Buffer.from(content);
    await writeAtRandom(name, storage, random, content, plan.writes ?? 6);
    names.push(name);
    contents.push(content);
  }
  return { names, leaf: names.at(-1) ?? '', contents, content };
}

/** Writes, zeroes and overwrites at random, in the image and in the truth. Zeros over data of a parent are among it. */
export async function writeAtRandom(
  name: string,
  storage: Storage,
  random: Random,
  content: Buffer,
  writes: number,
): Promise<void> {
  const disk = await openChain(name, { storage, isReadOnly: false });
  const sectors = disk.sizeBytes / SECTOR_BYTES;
  for (let i = 0; i < writes; i++) {
    const first = random.below(sectors);
    const count = Math.min(sectors - first, 1 + random.below(random.pick([3, 40, 1500])));
    const offset = first * SECTOR_BYTES;
    const length = count * SECTOR_BYTES;
    if (random.chance(0.25)) {
      await disk.writeZeroes(offset, length, { mayUnmap: random.chance(0.5) });
      content.fill(0, offset, offset + length);
    } else {
      const bytes = Buffer.alloc(length, random.bytes(Math.min(length, 1024)));
      await disk.write(bytes, offset);
      content.set(bytes, offset);
    }
  }
  await disk.close();
}

/** All bytes of a disk. */
export async function readAll(name: string, storage: Storage): Promise<Buffer> {
  const disk = await openChain(name, { storage });
  try {
    const bytes = Buffer.alloc(disk.sizeBytes);
    await disk.read(bytes, 0);
    return bytes;
  } finally {
    await disk.close();
  }
}
