/**
 * The second demo: a small Linux, built from Debian packages on the first run, beside all else and never in its way. A plan,
 * so that a person sees how far it is, and why it is not there on a machine that cannot build it.
 */
import { randomUUID } from 'node:crypto';
import { buildLinuxGuest } from '@oriel/hosts';
import { VmCreate } from '../../api/vm.ts';
import type { CreationState } from '../compute/vms/creation.ts';
import type { Vms } from '../compute/vms/vms.ts';
import { type PlanPayload, planKind, planned } from '../platform/tasks/plan.ts';
import type { NewTask, TaskKind } from '../platform/tasks/tasks.ts';
import type { Library } from '../storage/library/library.ts';
import { FIRST_STORAGE } from '../storage/storages/reference.ts';
import type { Storages } from '../storage/storages/storages.ts';
import { ensureTemplate } from './template.ts';

const TEMPLATE = { id: 'linux', name: 'Small Linux' } as const;

export interface LinuxDemoDeps {
  readonly storages: Storages;
  readonly library: Library;
  readonly vms: Vms;
  /** Where the built image is kept for other data folders of the same user. */
  readonly cacheFolder: string;
}

export type LinuxDemo = TaskKind<PlanPayload<CreationState>>;

export function linuxDemoKind({ storages, library, vms, cacheFolder }: LinuxDemoDeps): LinuxDemo {
  return planKind<CreationState>({
    kind: 'demo.linux',
    needs: 'settings',
    lane: 'compute',
    canCancel: true,
    steps: [
      {
        name: 'building from Debian packages',
        do: async (_, { signal, progress }) => {
          const build = (): Promise<string> => buildLinuxGuest(cacheFolder, { signal });
          const onProgress = (fraction: number | undefined): void => progress(fraction, 'importing');
          await ensureTemplate(storages.requireClient(FIRST_STORAGE), TEMPLATE, build, { signal, onProgress });
          await library.publish(TEMPLATE.id);
        },
      },
      ...vms.creationSteps,
    ],
  });
}

export function linuxDemo(kind: LinuxDemo, vms: Vms, hostId: string): NewTask<PlanPayload<CreationState>> {
  const asked = VmCreate.parse({
    name: 'linux',
    description: 'A small Linux with a guest agent, on a linked clone.',
    source: { from: 'template', templateId: TEMPLATE.id },
    hardware: { memoryMiB: 128, nics: [{ kind: 'user' }] },
    wanted: 'running',
  });
  const payload = planned(vms.planCreation(randomUUID(), hostId, asked));
  return { kind, title: 'make the Linux demo', startedBy: null, payload };
}
