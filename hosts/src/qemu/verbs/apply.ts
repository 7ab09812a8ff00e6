/**
 * Making a VM be as its spec says: define it, or act on the difference. What a running VM cannot take at once waits in the
 * definition for its next start.
 */
import { randomUUID } from 'node:crypto';
import type { ApplyOptions, ApplyResult, Capabilities } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import type { VmSpec } from '../../spec.ts';
import { diffSpecs } from '../../spec-diff.ts';
import { IDE_PLACES } from '../vm/argv.ts';
import { type Definition, RECORD_VERSION } from '../vm/record.ts';
import type { QemuVm } from '../vm/vm.ts';
import { applyLive, canChangeLive } from './hotplug.ts';

/** SPEC_UNSUPPORTED where this host cannot make it. PURE. */
export function checkSpec(spec: VmSpec, caps: Capabilities): void {
  const refuse = (what: string): never => {
    throw new HostError('SPEC_UNSUPPORTED', `${what} is not possible on this host`);
  };
  if (caps.maxVcpus < spec.vcpus) refuse(`${spec.vcpus} vcpus (at most ${caps.maxVcpus})`);
  if (caps.maxMemoryMiB < spec.memoryMiB) refuse(`${spec.memoryMiB} MiB of memory (at most ${caps.maxMemoryMiB})`);
  if (!caps.machines.includes(spec.machine)) refuse(`machine ${spec.machine}`);
  if (!caps.firmware.includes(spec.firmware)) refuse(`firmware ${spec.firmware}`);
  if (!caps.video.includes(spec.video)) refuse(`video ${spec.video}`);
  if (spec.hasTpm && !caps.hasTpm) refuse('a TPM');
  for (const disk of spec.disks) if (!caps.diskBuses.includes(disk.bus)) refuse(`disk bus ${disk.bus}`);
  for (const nic of spec.nics) if (!caps.nics.includes(nic.kind)) refuse(`a ${nic.kind} network card`);
  const ide = spec.disks.filter((disk) => disk.bus === 'ide').length + spec.cds.length;
  if (IDE_PLACES[spec.machine] < ide)
    refuse(`${ide} IDE disks and CDs (at most ${IDE_PLACES[spec.machine]} on ${spec.machine})`);
}

/** SPEC_STALE where somebody was faster. PURE. */
export function checkGeneration(held: number, spec: VmSpec, options: ApplyOptions): void {
  if (options.ifGeneration !== undefined && options.ifGeneration !== held) {
    throw new HostError('SPEC_STALE', `${spec.id} is at generation ${held}, not ${options.ifGeneration}`);
  }
  if (spec.generation < held) {
    throw new HostError('SPEC_STALE', `${spec.id} is at generation ${held}; ${spec.generation} is older`);
  }
}

export interface ApplyContext {
  readonly caps: Capabilities;
  /** Exact machine versions by family. */
  readonly machines: Readonly<Record<VmSpec['machine'], string>>;
}

export async function applySpec(
  vm: QemuVm,
  spec: VmSpec,
  options: ApplyOptions,
  context: ApplyContext,
): Promise<ApplyResult> {
  checkSpec(spec, context.caps);
  checkGeneration(vm.definition?.spec.generation ?? 0, spec, options);
  const held = vm.process?.spec ?? vm.definition?.spec;
  const live = vm.process === undefined ? undefined : { isDiskLive: canChangeLive, canChangeCd: true };
  const changes = diffSpecs(held, spec, live);
  if (options.isDryRun === true) return { vm: vm.observe(), changes };
  const same = vm.definition !== undefined && JSON.stringify(vm.definition.spec) === JSON.stringify(spec);
  if (same && changes.every((change) => change.effect === 'next-start')) return { vm: vm.observe(), changes };
  await vm.saveDefinition(nextDefinition(vm, spec, context));
  // The definition first: what fails below is tried again by the next apply of the same spec.
  if (vm.process !== undefined) await applyLive(vm, spec, changes);
  if (vm.state.state === 'broken' && vm.process === undefined) vm.become({ state: 'stopped', reason: 'never-started' });
  else vm.emit({ kind: 'state', vm: vm.id, observation: vm.observe() });
  return { vm: vm.observe(), changes };
}

function nextDefinition(vm: QemuVm, spec: VmSpec, context: ApplyContext): Definition {
  const held = vm.definition;
  const pinned =
    held !== undefined && held.spec.machine === spec.machine ? held.machine : context.machines[spec.machine];
  return {
    version: RECORD_VERSION,
    spec,
    ...(held?.savedSpec === undefined ? {} : { savedSpec: held.savedSpec }),
    machine: pinned,
    uuid: held?.uuid ?? randomUUID(),
    ports: assignPorts(held?.ports ?? {}, vm, spec),
    boots: held?.boots ?? 0,
    rest: held?.rest ?? { state: { state: 'stopped', reason: 'never-started' }, since: vm.host.now() },
  };
}

/** A disk keeps its port while it is defined, and while it is still in the VM that runs. */
export function assignPorts(
  held: Readonly<Record<string, number>>,
  vm: Pick<QemuVm, 'process'>,
  spec: VmSpec,
): Readonly<Record<string, number>> {
  const virtio = (one: VmSpec | undefined): string[] =>
    (one?.disks ?? []).filter((disk) => disk.bus === 'virtio-blk').map((disk) => disk.id);
  const wanted = new Set([...virtio(vm.process?.spec), ...virtio(spec)]);
  const ports: Record<string, number> = {};
  for (const [id, port] of Object.entries(held)) if (wanted.has(id)) ports[id] = port;
  for (const id of wanted) {
    if (ports[id] !== undefined) continue;
    const taken = new Set(Object.values(ports));
    let port = 0;
    while (taken.has(port)) port += 1;
    ports[id] = port;
  }
  return ports;
}
