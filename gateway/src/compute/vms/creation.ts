/**
 * Making a VM as a plan: its first disk, its row, what others keep of it, and only then its first start. The ids are chosen
 * before the first step, so a gateway that is killed at any moment is followed by one that goes on, or takes everything back.
 */
import type { VmCreate } from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import type { PlanStep } from '../../platform/tasks/plan.ts';
import type { VmDisks } from './ports.ts';
import { type Owner, ownerOf } from './ports.ts';
import type { VmStore } from './vm-store.ts';

/** What the steps need; all of it is known before the first. */
export interface CreationState {
  readonly vmId: string;
  readonly hostId: string;
  /** The first disk: the id of one that is made, or that is there already; null: none. */
  readonly diskId: string | null;
  readonly asked: VmCreate;
}

export interface CreationDeps {
  readonly store: VmStore;
  readonly disks: VmDisks;
  /** What other owners keep of a VM: a desktop, an assignment. Done before it starts, taken back where a later one fails. */
  readonly alongside: readonly PlanStep<CreationState>[];
  /** It is all there: look after it from now on. */
  readonly made: (vmId: string) => void;
}

export function creationSteps({ store, disks, alongside, made }: CreationDeps): readonly PlanStep<CreationState>[] {
  return [
    { name: 'making its disk', do: (state) => makeDisk(disks, state), undo: (state) => takeDiskBack(disks, state) },
    {
      name: 'adding it',
      do: async (state) => {
        if ((await store.get(state.vmId)) !== undefined) return;
        await addRow(store, state);
      },
      undo: ({ vmId }) => store.remove(vmId),
    },
    ...alongside,
    {
      name: 'handing it to its host',
      do: async ({ vmId, asked }) => {
        const vm = await store.get(vmId);
        // Somebody may have wanted something else of it by now, or deleted it.
        if (vm?.revision === 1 && asked.wanted !== vm.wanted) await store.want(vmId, asked.wanted);
        made(vmId);
      },
    },
  ];
}

async function makeDisk(disks: VmDisks, { vmId, diskId, asked }: CreationState): Promise<void> {
  const { source } = asked;
  if (diskId === null || source.from === 'none') return;
  const owner = ownerOf(vmId);
  if (source.from === 'disk') await disks.own(diskId, owner);
  else await disks.create(diskId, asked.name, source, owner);
}

async function takeDiskBack(disks: VmDisks, { vmId, diskId, asked }: CreationState): Promise<void> {
  if (diskId === null) return;
  const owner: Owner = ownerOf(vmId);
  if (asked.source.from === 'disk') await disks.disown(diskId, owner);
  else await disks.remove(diskId, owner);
}

/** It does not run before all is made: it could not be taken back any more. */
async function addRow(store: VmStore, { vmId, hostId, diskId, asked }: CreationState): Promise<void> {
  const { name, description, hardware, cdImageId, sessionRules, source, bus } = asked;
  await store.add(
    { id: vmId, name, description, hostId, wanted: 'stopped', hardware, cdImageId, sessionRules },
    diskId === null ? [] : [{ diskId, bus }],
  );
  const from = source.from === 'none' ? 'no disk' : `a disk from ${source.from}`;
  await store.log(vmId, 'info', 'created', `created with ${from}`);
}

/** Refusals that nothing has to be taken back for. What changes between here and the steps they find by themselves. */
export async function refuseCreation(store: VmStore, disks: VmDisks, asked: VmCreate, maxVms: number): Promise<void> {
  const count = await store.count();
  if (maxVms <= count) throw new GatewayError('TOO_MANY', `there are ${count} VMs already`);
  if (await store.hasName(asked.name)) throw new GatewayError('ALREADY_EXISTS', `there is a VM ${asked.name} already`);
  if (asked.cdImageId !== null) await disks.cdUri(asked.cdImageId);
  if (asked.source.from !== 'disk') return;
  const { diskId } = asked.source;
  await disks.checkUsable(diskId);
  const holder = await store.holderOf(diskId);
  // Not which: the VM may be hidden from who asks.
  if (holder !== undefined) throw new GatewayError('CONFLICT', `disk ${diskId} is in use by another VM`);
}
