/** Makes what a leaf holds permanent: it is sealed under a new one, so that the VM has something to write to, and folded down. */
import type { TaskContext, TaskRecord } from '../state/task-book.ts';
import type { NewLeaf } from './new-leaf.ts';
import type { LiveParts } from './parts.ts';

export interface CommitInput {
  readonly id: string;
  readonly bytesPerSecond?: number;
}

/** The new leaf, and what is folded into what once it is there. */
interface Saved extends NewLeaf {
  readonly link: string;
  readonly into: string;
}

export async function commit(input: CommitInput, parts: LiveParts, context: TaskContext): Promise<void> {
  const [saved] = (context.saved ?? []) as readonly Saved[];
  const { link, into } = saved ?? (await sealLeaf(input.id, parts, context));
  await parts.folding.run({ ...input, direction: 'down', link, into }, context);
}

async function sealLeaf(id: string, { shared, leaves }: LiveParts, context: TaskContext): Promise<Saved> {
  const { records } = shared;
  const { links } = records.disk(id);
  context.progress(null, 'making a new leaf');
  const saved: Saved = {
    disk: id,
    file: records.newLink(records.disk(id)),
    link: links.at(-1) ?? '',
    into: links.at(-2) ?? '',
  };
  await context.save([saved]);
  try {
    await leaves.makeChild(saved);
    await records.changeDisk(id, (record) => ({ links: [...record.links, saved.file] }));
    await leaves.swap([saved]);
  } catch (error) {
    if (!(await leaves.isWrittenTo(saved))) await leaves.undo(saved);
    throw error;
  }
  return saved;
}

/** What a restart does about a commit that was cut off. True when its leaf is there, and the fold goes on. */
export async function recoverCommit({ saved }: TaskRecord, { shared, leaves }: LiveParts): Promise<boolean> {
  const [leaf] = (saved ?? []) as readonly NewLeaf[];
  const record = shared.records.disks().find(({ id }) => id === leaf?.disk);
  if (leaf === undefined || record === undefined) return false;
  if (record.links.includes(leaf.file)) return true;
  await leaves.drop(record, leaf.file);
  return false;
}
