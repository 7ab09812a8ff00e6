/**
 * The demos after the first: systems built from Debian packages, beside all else and never in its way. Each is a plan, so
 * that a person sees how far it is, and why it is not there on a machine that cannot build it.
 */
import { randomUUID } from 'node:crypto';
import { buildGraphicalGuest, buildLinuxGuest } from '@oriel/hosts';
import { VmCreate } from '../../api/vm.ts';
import type { CreationState } from '../compute/vms/creation.ts';
import type { Vms } from '../compute/vms/vms.ts';
import { type PlanPayload, planKind, planned } from '../platform/tasks/plan.ts';
import type { TaskStore } from '../platform/tasks/task-store.ts';
import type { NewTask, TaskKind, Tasks } from '../platform/tasks/tasks.ts';
import type { Library } from '../storage/library/library.ts';
import { FIRST_STORAGE } from '../storage/storages/reference.ts';
import type { Storages } from '../storage/storages/storages.ts';
import { ensureTemplate } from './template.ts';

export type GuestDemoName = 'linux' | 'desktop';

interface GuestDemo {
  readonly kind: string;
  readonly title: string;
  readonly template: { readonly id: string; readonly name: string };
  readonly build: typeof buildLinuxGuest;
  readonly vm: VmCreate;
}

const DEMOS: Readonly<Record<GuestDemoName, GuestDemo>> = {
  linux: {
    kind: 'demo.linux',
    title: 'make the Linux demo',
    template: { id: 'linux', name: 'Small Linux' },
    build: buildLinuxGuest,
    vm: VmCreate.parse({
      name: 'linux',
      description: 'A small Linux with a guest agent, on a linked clone.',
      source: { from: 'template', templateId: 'linux' },
      hardware: { memoryMiB: 128, nics: [{ kind: 'user' }] },
      wanted: 'running',
    }),
  },
  desktop: {
    kind: 'demo.desktop',
    title: 'make the demo desktop',
    template: { id: 'desktop', name: 'Desktop' },
    build: buildGraphicalGuest,
    vm: VmCreate.parse({
      name: 'desktop',
      description: 'A desktop with files, web, text and a terminal, on a linked clone.',
      source: { from: 'template', templateId: 'desktop' },
      hardware: { memoryMiB: 512, vcpus: 2, nics: [{ kind: 'user' }] },
      wanted: 'running',
    }),
  },
};

export interface GuestDemosDeps {
  readonly storages: Storages;
  readonly library: Library;
  readonly vms: Vms;
  readonly tasks: Tasks;
  readonly taskStore: TaskStore;
  /** Where built images are kept for other data folders of the same user. */
  readonly cacheFolder: string;
}

export class GuestDemos {
  readonly #deps: GuestDemosDeps;
  readonly #kinds: Readonly<Record<GuestDemoName, TaskKind<PlanPayload<CreationState>>>>;

  /** Registers the work, so that the tasks can take up what an earlier gateway left. */
  constructor(deps: GuestDemosDeps) {
    this.#deps = deps;
    this.#kinds = { linux: this.#kindOf(DEMOS.linux), desktop: this.#kindOf(DEMOS.desktop) };
    for (const kind of Object.values(this.#kinds)) deps.tasks.register(kind);
  }

  /** Begins to make one on this host, unless it is being made or its template is there already. */
  async make(name: GuestDemoName, hostId: string): Promise<void> {
    const { storages, vms, tasks, taskStore } = this.#deps;
    const { title, template, vm } = DEMOS[name];
    const kind = this.#kinds[name];
    if ((await taskStore.open()).some((task) => task.kind === kind.kind)) return;
    const images = await storages.requireClient(FIRST_STORAGE).listImages();
    if (images.some(({ id }) => id === template.id)) return;
    const payload = planned(vms.planCreation(randomUUID(), hostId, vm));
    const task: NewTask<PlanPayload<CreationState>> = { kind, title, startedBy: null, payload };
    await tasks.start(task);
  }

  #kindOf({ kind, template, build }: GuestDemo): TaskKind<PlanPayload<CreationState>> {
    const { storages, library, vms, cacheFolder } = this.#deps;
    return planKind<CreationState>({
      kind,
      needs: 'settings',
      lane: 'compute',
      canCancel: true,
      steps: [
        {
          name: 'building from Debian packages',
          do: async (_, { signal, progress }) => {
            const image = (): Promise<string> => build(cacheFolder, { signal });
            const onProgress = (fraction: number | undefined): void => progress(fraction, 'importing');
            await ensureTemplate(storages.requireClient(FIRST_STORAGE), template, image, { signal, onProgress });
            await library.publish(template.id);
          },
        },
        ...vms.creationSteps,
      ],
    });
  }
}
