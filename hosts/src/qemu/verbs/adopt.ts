/**
 * Taking over what an earlier driver left: VMs that run, VMs that died meanwhile, folders that a crash left half-made.
 * INVARIANT OUTLIVE: a VM that runs is connected to and otherwise left alone.
 */

import { mkdir, readdir } from 'node:fs/promises';
import { isAlive, type ProcessRef } from '@oriel/machine';
import type { VmState } from '../../driver.ts';
import { HostError, toHostError } from '../../errors.ts';
import { type VmId, vmId } from '../../ids.ts';
import { refFromPidFile, waitForExit } from '../process/process.ts';
import { connectQmp, type QmpClient } from '../qmp/client.ts';
import { QEMU_LIMITS, type QemuHost } from '../vm/host.ts';
import {
  type ProcessRecord,
  RECORD_VERSION,
  readDefinition,
  readProcess,
  readTask,
  type TaskRecord,
} from '../vm/record.ts';
import { QemuVm } from '../vm/vm.ts';
import { firstAnswer } from './start.ts';

/** For a process that has closed its control socket to be gone. */
const EXIT_MS = 300;

export interface Adopted {
  readonly vm: QemuVm;
  /** A verb that was under way. */
  readonly task: TaskRecord | undefined;
}

export async function adoptAll(host: QemuHost): Promise<readonly Adopted[]> {
  const ids = await findVms([host.runDir, host.stateDir]);
  if (QEMU_LIMITS.vms < ids.length)
    throw new HostError('HOST_LIMIT', `${ids.length} VM folders in ${host.runDir}, at most ${QEMU_LIMITS.vms}`);
  const adopted: Adopted[] = [];
  const queue = [...ids];
  const worker = async (): Promise<void> => {
    for (let id = queue.shift(); id !== undefined; id = queue.shift()) adopted.push(await adoptOne(id, host));
  };
  await Promise.all(Array.from({ length: Math.min(QEMU_LIMITS.parallel, ids.length) }, worker));
  return adopted;
}

/** Folders whose name is a VM's; whatever else lies there is not ours. */
async function findVms(folders: readonly string[]): Promise<readonly VmId[]> {
  const ids = new Set<VmId>();
  for (const folder of new Set(folders)) {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (!entry.isDirectory()) continue;
      try {
        ids.add(vmId(entry.name));
      } catch {
        // Not a VM's name.
      }
    }
  }
  return [...ids].sort();
}

async function adoptOne(id: VmId, host: QemuHost): Promise<Adopted> {
  const vm = new QemuVm(id, host);
  try {
    vm.definition = await readDefinition(vm.paths.definition);
    const record = await findProcess(vm);
    const task = await readTask(vm.paths.task);
    if (vm.definition === undefined) throw new HostError('VM_BROKEN', `the folder of ${id} has no definition`);
    if (record === undefined) {
      vm.found(vm.definition.rest.state, vm.definition.rest.since);
    } else if (isAlive(record.ref)) {
      await takeOver(vm, record, task?.kind === 'start');
    } else {
      vm.process = record;
      await vm.ended();
    }
    return { vm, task };
  } catch (thrown) {
    const error = toHostError(thrown, 'VM_BROKEN', `cannot take over ${id}`);
    vm.found({ state: 'broken', code: error.code, message: error.message }, host.now());
    const ref = vm.definition === undefined ? undefined : vm.process?.ref;
    if (ref !== undefined) vm.keepRegaining(ref);
    return { vm, task: undefined };
  }
}

/** The process record where it is right, the pid file where a crash came before the record was written. */
async function findProcess(vm: QemuVm): Promise<ProcessRecord | undefined> {
  let record: ProcessRecord | undefined;
  let damage: unknown;
  try {
    record = await readProcess(vm.paths.process);
  } catch (error) {
    damage = error;
  }
  if (record !== undefined && isAlive(record.ref)) return record;
  const ref = refFromPidFile(vm.paths.pidFile, vm.paths.pidFile);
  if (ref !== undefined && vm.definition !== undefined) return recordOf(vm, ref, vm.definition.spec);
  if (damage !== undefined) throw damage;
  return record;
}

function recordOf(vm: QemuVm, ref: ProcessRef, spec: ProcessRecord['spec']): ProcessRecord {
  return {
    version: RECORD_VERSION,
    ref,
    accelerator: vm.host.accelerator.name,
    startedAt: vm.host.now(),
    spec,
    rounds: {},
  };
}

async function takeOver(vm: QemuVm, record: ProcessRecord, isStarting: boolean): Promise<void> {
  vm.process = record;
  let qmp: QmpClient;
  try {
    qmp = isStarting ? await firstAnswer(vm, record.ref, new AbortController().signal) : await connectNow(vm);
  } catch (error) {
    // It may have been on its way out.
    if (!(await waitForExit(record.ref, EXIT_MS))) throw error;
    return vm.ended();
  }
  const starting: VmState = { state: 'starting' };
  vm.found(starting, record.startedAt);
  vm.attach(qmp, record.ref);
  await vm.refresh();
  // Since its start, as far as anybody knows: pauses in between are not written down.
  if (vm.state.state === 'running') vm.found(vm.state, record.startedAt);
}

function connectNow(vm: QemuVm): Promise<QmpClient> {
  const { connectMs, commandMs } = vm.host.timing;
  return connectQmp(vm.paths.qmp, { connectMs, handshakeMs: connectMs, commandMs });
}
