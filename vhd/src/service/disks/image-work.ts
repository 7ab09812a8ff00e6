/**
 * Looking for damage in images, and making them smaller, larger or whole again. Each is a task that a restart begins again:
 * a check only reads, a compact image takes the place of the old one at its end, and what changes a file in place is
 * journaled.
 */
import { checkImage } from '../../ops/check.ts';
import { compactImage } from '../../ops/compact.ts';
import { repairImage } from '../../ops/repair.ts';
import { resizeImage } from '../../ops/resize.ts';
import type { TaskInfo } from '../control/task.ts';
import type { TaskContext, TaskOptions } from '../state/task-book.ts';
import type { Disks } from './disks.ts';
import type { Images } from './images.ts';
import type { Shared } from './shared.ts';

/** What each kind of work is asked with. */
interface Inputs {
  readonly 'image.check': { readonly id: string; readonly isDeep?: boolean };
  readonly 'image.compact': { readonly id: string };
  readonly 'image.repair': { readonly id: string };
  readonly 'image.resize': { readonly id: string; readonly sizeBytes: number; readonly isShrinking?: boolean };
  readonly 'disk.compact': { readonly id: string };
}
type Kind = keyof Inputs;

interface Work<Input> {
  /** Takes what it works on, and gives what lets go of it. Errors: those that refuse it. */
  readonly claim: (id: string) => Promise<() => void>;
  readonly run: (input: Input, context: TaskContext) => Promise<Readonly<Record<string, unknown>> | void>;
  readonly lane?: TaskOptions['lane'];
}

export class ImageWork {
  readonly #shared: Shared;
  readonly #kinds: { readonly [K in Kind]: Work<Inputs[K]> };

  constructor(shared: Shared, images: Images, disks: Disks) {
    const { records, storage } = shared;
    const options = ({ signal }: TaskContext) => ({ storage, signal });
    const read = async (id: string): Promise<() => void> => {
      records.image(id);
      return images.uses.read(id);
    };
    const change = (kind: Kind) => (id: string) => images.claimToChange(id, kind);
    this.#shared = shared;
    this.#kinds = {
      'image.check': {
        claim: read,
        lane: 'check',
        run: async ({ id, isDeep = false }, context) => {
          context.progress(null, isDeep ? 'reading it all' : 'looking at its records');
          return { findings: await checkImage(records.imagePath(id), { ...options(context), isDeep }) };
        },
      },
      'image.compact': {
        claim: change('image.compact'),
        run: async ({ id }, context) => {
          context.progress(null, 'writing it anew, without its zeros');
          return { ...(await compactImage(records.imagePath(id), options(context))) };
        },
      },
      'image.repair': {
        claim: change('image.repair'),
        run: async ({ id }, context) => {
          context.progress(null, 'mending');
          return { ...(await repairImage(records.imagePath(id), options(context))) };
        },
      },
      'image.resize': {
        claim: change('image.resize'),
        run: ({ id, ...size }, context) => {
          context.progress(null, 'changing its size');
          return resizeImage(records.imagePath(id), { ...options(context), ...size });
        },
      },
      'disk.compact': {
        claim: (id) => disks.claimClosed(id, 'disk.compact'),
        run: async ({ id }, context) => {
          context.progress(null, 'writing its leaf anew, without its zeros');
          const record = records.disk(id);
          const policy = { folders: records.folders(record) };
          return { ...(await compactImage(records.diskPath(record), { ...options(context), policy })) };
        },
      },
    };
  }

  /** Errors: NOT_FOUND, and those of taking what it works on. */
  async start<K extends Kind>(kind: K, input: Inputs[K]): Promise<TaskInfo> {
    const { claim, run, lane } = this.#kinds[kind];
    const free = await claim(input.id);
    try {
      const work = (context: TaskContext) => run(input, context).finally(free);
      return await this.#shared.tasks.start(kind, input.id, input, work, lane === undefined ? {} : { lane });
    } catch (error) {
      free();
      throw error;
    }
  }

  /** After a restart: what was cut off begins again. What cannot ends as interrupted, with all that nobody took up. */
  async resume(): Promise<void> {
    const { tasks, log } = this.#shared;
    for (const { info, input } of tasks.interrupted()) {
      if (!this.#isKind(info.kind)) continue;
      const { claim, run } = this.#kinds[info.kind] as Work<never>;
      try {
        const free = await claim(info.target);
        tasks.resume(info.id, (context) => run(input as never, context).finally(free));
      } catch (error) {
        log('task.not-resumed', { task: info.id, kind: info.kind, error: String(error) });
      }
    }
  }

  #isKind(kind: string): kind is Kind {
    return Object.hasOwn(this.#kinds, kind);
  }
}
