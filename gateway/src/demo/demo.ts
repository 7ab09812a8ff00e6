/**
 * The first run: a small library to look at. A template, the host that this machine is, and a VM on a linked clone: one plan,
 * so that a first run which is cut off is made good by the next start, and one that fails leaves nothing but the template.
 */
import { randomUUID } from 'node:crypto';
import { copyFileSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { TOY_IMAGE_PATH } from '@oriel/hosts';
import { VmCreate } from '../../api/vm.ts';
import type { Hosts } from '../compute/hosts/hosts.ts';
import type { CreationState } from '../compute/vms/creation.ts';
import type { Vms } from '../compute/vms/vms.ts';
import { StartError } from '../errors.ts';
import { type PlanPayload, planKind, planned } from '../platform/tasks/plan.ts';
import type { TaskStore } from '../platform/tasks/task-store.ts';
import type { TaskKind, Tasks } from '../platform/tasks/tasks.ts';
import { FIRST_STORAGE } from '../storage/storages/reference.ts';
import type { Storages } from '../storage/storages/storages.ts';
import { ensureTemplate } from './template.ts';

/** A firmware sees no disk in a smaller image. */
const TOY_DISK_BYTES = 4 * 2 ** 20;
const KIND = 'demo.toy';
const TEMPLATE = { id: 'toy', name: 'Toy system' } as const;
const DISK_ID = 'toy-demo';
/** The name of the host that the gateway's own machine is. */
const LOCAL_HOST_NAME = 'local';

export interface DemoDeps {
  readonly storages: Storages;
  readonly hosts: Hosts;
  readonly vms: Vms;
  /** A folder for the file that is imported. */
  readonly runFolder: string;
}

export type Demo = TaskKind<PlanPayload<CreationState>>;

export function demoKind({ storages, hosts, vms, runFolder }: DemoDeps): Demo {
  return planKind<CreationState>({
    kind: KIND,
    needs: 'settings',
    lane: 'compute',
    canCancel: false,
    steps: [
      {
        name: 'importing its template',
        do: async (_, { signal, progress }) => {
          const raw = path.join(runFolder, 'toy.raw');
          const onProgress = (fraction: number | undefined): void => progress(fraction, 'importing its template');
          const client = storages.requireClient(FIRST_STORAGE);
          try {
            await ensureTemplate(client, TEMPLATE, async () => toyImage(raw), { signal, onProgress });
          } finally {
            rmSync(raw, { force: true });
          }
        },
      },
      {
        name: 'adding this machine as a host',
        do: async ({ hostId }) => {
          if (!hosts.has(hostId)) await hosts.create({ name: LOCAL_HOST_NAME, kind: 'qemu', config: {} }, hostId);
        },
        undo: async ({ hostId }) => {
          if (hosts.has(hostId)) await hosts.remove(hostId);
        },
      },
      ...vms.creationSteps,
    ],
  });
}

function toyImage(file: string): string {
  copyFileSync(TOY_IMAGE_PATH, file);
  truncateSync(file, TOY_DISK_BYTES);
  return file;
}

/** Makes the demo on a first run, and ends one that was cut off. Gives its host where it was made now. Errors: StartError. */
export async function makeDemo(demo: Demo, hosts: Hosts, tasks: Tasks, store: TaskStore): Promise<string | undefined> {
  const cutOff = (await store.open()).find(({ kind }) => kind === KIND);
  if (cutOff !== undefined) await tasks.settled(cutOff.id);
  if (0 < hosts.list().length) return undefined;
  const state: CreationState = { vmId: randomUUID(), hostId: randomUUID(), diskId: DISK_ID, asked: TOY };
  try {
    await tasks.run({ kind: demo, title: 'make the demo', startedBy: null, payload: planned(state) });
  } catch (cause) {
    throw new StartError(`the demo cannot be made: ${(cause as Error).message}`, { cause });
  }
  return state.hostId;
}

const TOY: VmCreate = VmCreate.parse({
  name: 'toy',
  description: 'A tiny system on a linked clone: it counts its boots and shows what you type.',
  source: { from: 'template', templateId: TEMPLATE.id },
  bus: 'ide',
  hardware: { memoryMiB: 32, machine: 'pc', agent: false },
  wanted: 'running',
});
