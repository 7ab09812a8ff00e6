/**
 * Every operation with what must hold after it, done or not: for tests that cut it off or make its storage fail. What is
 * left opens, finishing what was cut; it reads as before (or as after, where that differs), nothing third; and a check
 * finds nothing that a repair does not mend.
 */
import type { MemoryStorage } from '../../storage/memory-storage.ts';
import type { Storage } from '../../storage/storage.ts';
import { checkImage } from '../check.ts';
import { compactImage } from '../compact.ts';
import { convertDisk, openSource } from '../convert.ts';
import { createChild, createImage } from '../create.ts';
import { finishPending, seenThroughJournals } from '../finish.ts';
import { mergeImage } from '../merge.ts';
import { rebaseImage } from '../rebase.ts';
import { repairImage } from '../repair.ts';
import { resizeImage } from '../resize.ts';
import { snapshotImage } from '../snapshot.ts';
import { type ChainPlan, type KnownChain, readAll } from './chains.ts';

const BLOCK_BYTES = 512 * 1024;
/** Virtual size of the chains. */
export const SIZE_BYTES: number = BLOCK_BYTES + 203 * 512;

/** One operation on a chain of three links, unless `plan` says otherwise. */
export interface Scenario {
  readonly it: string;
  readonly plan?: Partial<ChainPlan>;
  /** Runs before the recording begins. */
  readonly before?: (storage: Storage, chain: KnownChain) => Promise<void>;
  readonly run: (storage: Storage, chain: KnownChain) => Promise<unknown>;
  /** Looks at what a cut left. */
  readonly check: (storage: MemoryStorage, chain: KnownChain) => Promise<void>;
}

let looked = 0;

/** Opens as the next user would: finishes what was cut, reads, checks, and mends what the check finds. */
async function readsAs(storage: MemoryStorage, name: string, content: Buffer): Promise<void> {
  await finishPending(name, { storage });
  const found = await readAll(name, storage);
  if (!found.equals(content)) throw new Error(`${name} reads as something else, ${whereDiffers(found, content)}`);
  if (++looked % 4 === 0) await isSound(storage, name);
}

async function isSound(storage: MemoryStorage, name: string): Promise<void> {
  const isBad = ({ severity }: { readonly severity: string }): boolean => severity !== 'note';
  const found = await checkImage(name, { storage, isChain: true });
  if (!found.some(isBad)) return;
  const { left } = await repairImage(name, { storage, isChain: true });
  if (left.some(isBad)) throw new Error(`repair leaves ${JSON.stringify(left)}`);
}

function whereDiffers(a: Buffer, b: Buffer): string {
  if (a.length !== b.length) return `${a.length} bytes instead of ${b.length}`;
  return `from byte ${a.findIndex((byte, i) => byte !== b[i])} on`;
}

const grown = (content: Buffer, sizeBytes: number): Buffer =>
  Buffer.concat([content, Buffer.alloc(sizeBytes - content.length)]);

/** The leaf has one of the sizes, and reads as before as far as both go. */
async function hasSize(storage: MemoryStorage, { leaf, content }: KnownChain, sizes: readonly number[]): Promise<void> {
  await finishPending(leaf, { storage });
  const found = await readAll(leaf, storage);
  if (!sizes.includes(found.length)) throw new Error(`a size of ${found.length}`);
  const wanted = content.length < found.length ? grown(content, found.length) : content.subarray(0, found.length);
  if (!found.equals(wanted)) throw new Error(`other content, ${whereDiffers(found, wanted)}`);
  await isSound(storage, leaf);
}

/** All operations that write. */
export const scenarios: readonly Scenario[] = [
  {
    it: 'create',
    run: (storage) => createImage('/disks/new.vhd', { storage, sizeBytes: SIZE_BYTES }),
    check: async (storage) => {
      if (storage.stat('/disks/new.vhd') !== undefined)
        await readsAs(storage, '/disks/new.vhd', Buffer.alloc(SIZE_BYTES));
    },
  },
  {
    it: 'create a child',
    run: (storage, { leaf }) => createChild('/disks/new.vhd', { storage, parent: leaf }),
    check: async (storage, { leaf, content }) => {
      await readsAs(storage, leaf, content);
      if (storage.stat('/disks/new.vhd') !== undefined) await readsAs(storage, '/disks/new.vhd', content);
    },
  },
  {
    it: 'snapshot',
    run: (storage, { leaf }) => snapshotImage(leaf, { storage, as: '/disks/snap.vhd' }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
  {
    it: 'merge a leaf into its parent',
    run: (storage, { leaf }) => mergeImage(leaf, { storage }),
    check: async (storage, { leaf, names, content }) => {
      const parent = names.at(-2) ?? '';
      // Whoever opens the leaf while it is there reads the same, finished or not.
      if (storage.stat(leaf) !== undefined) await readsBefore(storage, leaf, content);
      for (const name of [parent, leaf]) await finishPending(name, { storage });
      await readsAs(storage, storage.stat(leaf) === undefined ? parent : leaf, content);
    },
  },
  {
    it: 'merge a link with a child above it',
    run: (storage, { names }) => mergeImage(names.at(-2) ?? '', { storage }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
  {
    it: 'merge several links into an ancestor, a fixed one',
    plan: { links: 4, rootType: 'fixed' },
    run: (storage, { names }) => mergeImage(names.at(-2) ?? '', { storage, into: names[0] ?? '' }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
  {
    it: 'merge a larger child',
    before: async (storage, { leaf }) => {
      await resizeImage(leaf, { storage, sizeBytes: SIZE_BYTES + 2 * BLOCK_BYTES });
    },
    run: (storage, { leaf }) => mergeImage(leaf, { storage }),
    check: async (storage, { leaf, names, content }) => {
      const parent = names.at(-2) ?? '';
      for (const one of [parent, leaf]) await finishPending(one, { storage });
      const name = storage.stat(leaf) === undefined ? parent : leaf;
      await readsAs(storage, name, grown(content, SIZE_BYTES + 2 * BLOCK_BYTES));
    },
  },
  {
    it: 'rebase onto the grandparent',
    run: (storage, { leaf, names }) => rebaseImage(leaf, { storage, parent: names[0] ?? '' }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
  {
    it: 'compact',
    run: (storage, { leaf }) => compactImage(leaf, { storage }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
  {
    it: 'grow a child',
    run: (storage, { leaf }) => resizeImage(leaf, { storage, sizeBytes: SIZE_BYTES + 2 * BLOCK_BYTES }),
    check: (storage, chain) => hasSize(storage, chain, [SIZE_BYTES, SIZE_BYTES + 2 * BLOCK_BYTES]),
  },
  {
    it: 'grow a fixed image',
    plan: { links: 1, rootType: 'fixed' },
    run: (storage, { leaf }) => resizeImage(leaf, { storage, sizeBytes: SIZE_BYTES + BLOCK_BYTES }),
    check: (storage, chain) => hasSize(storage, chain, [SIZE_BYTES, SIZE_BYTES + BLOCK_BYTES]),
  },
  {
    it: 'shrink an image with an empty end',
    plan: { links: 1, sizeBytes: SIZE_BYTES },
    before: async (storage, { leaf }) => {
      await resizeImage(leaf, { storage, sizeBytes: SIZE_BYTES + 2 * BLOCK_BYTES });
    },
    run: (storage, { leaf }) => resizeImage(leaf, { storage, sizeBytes: SIZE_BYTES, isShrinking: true }),
    check: (storage, chain) => hasSize(storage, chain, [SIZE_BYTES + 2 * BLOCK_BYTES, SIZE_BYTES]),
  },
  {
    it: 'convert',
    run: async (storage, { leaf }) => {
      const disk = await openSource(leaf, { storage });
      await convertDisk(disk, '/disks/flat.vhd', { storage, to: 'dynamic', blockBytes: BLOCK_BYTES });
      await disk.close();
    },
    check: async (storage, { leaf, content }) => {
      await readsAs(storage, leaf, content);
      if (storage.stat('/disks/flat.vhd') !== undefined) await readsAs(storage, '/disks/flat.vhd', content);
    },
  },
  {
    it: 'repair of a lost tail',
    before: async (storage, { leaf }) => {
      const file = storage.open(leaf, 'write');
      await file.truncate(file.sizeBytes - 100);
      await file.close();
    },
    run: (storage, { leaf }) => repairImage(leaf, { storage, isChain: true }),
    check: (storage, { leaf, content }) => readsAs(storage, leaf, content),
  },
];

async function readsBefore(storage: MemoryStorage, name: string, content: Buffer): Promise<void> {
  const found = await readAll(name, await seenThroughJournals(name, { storage }));
  if (!found.equals(content)) throw new Error(`${name} reads as something else before it is finished`);
}
