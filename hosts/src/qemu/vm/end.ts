/**
 * The end of a VM whose QEMU has died or stopped: its state and why, and nothing left of its run. That it has ended is
 * noticed by vm.ts when its control connection closes, and by the next driver in verbs/adopt.ts.
 */
import { access, readFile, rm } from 'node:fs/promises';
import { isAlive } from '@oriel/machine';
import type { StopReason, VmState } from '../../driver.ts';
import type { AgentClient } from '../agent/client.ts';
import type { QmpClient } from '../qmp/client.ts';
import type { QmpEvents } from '../qmp/schema.ts';
import type { QemuHost } from './host.ts';
import { socketsOf, type VmPaths } from './paths.ts';
import type { Definition, ProcessRecord } from './record.ts';

type RestState = VmState & { readonly state: 'stopped' | 'saved' };

/** What of a VM its end needs and changes. */
export interface EndingVm {
  readonly paths: VmPaths;
  readonly host: Pick<QemuHost, 'now'>;
  readonly agent: Pick<AgentClient, 'close'>;
  readonly definition: Definition | undefined;
  process: ProcessRecord | undefined;
  qmp: QmpClient | undefined;
  /** Why it was to end, where we are the reason. */
  intent: 'requested' | 'forced' | undefined;
  saveDefinition(definition: Definition): Promise<void>;
  become(state: VmState): void;
}

/** Does nothing while the process lives. `shutdown`: what QEMU said before it went. */
export async function recordEnd(vm: EndingVm, shutdown: QmpEvents['SHUTDOWN'] | undefined): Promise<void> {
  const { process, paths } = vm;
  if (process === undefined || isAlive(process.ref)) return;
  vm.process = undefined;
  vm.agent.close();
  vm.qmp?.close();
  vm.qmp = undefined;
  const state = await stateAfterEnd(vm, shutdown);
  vm.intent = undefined;
  await sweepRunFolder(paths);
  if (vm.definition !== undefined) {
    await vm.saveDefinition({ ...vm.definition, rest: { state, since: vm.host.now() } });
  }
  await rm(paths.process, { force: true });
  vm.become(state);
}

async function stateAfterEnd(vm: EndingVm, shutdown: QmpEvents['SHUTDOWN'] | undefined): Promise<RestState> {
  // Written only once the memory is whole on disk, and taken back before the guest runs again.
  const rest = vm.definition?.rest.state;
  if (rest?.state === 'saved') return rest;
  const reason = stopReason(vm.intent, shutdown, await isThere(vm.paths.pidFile));
  if (reason !== 'died') return { state: 'stopped', reason };
  return { state: 'stopped', reason, detail: await lastLine(vm.paths.hostLog) };
}

/** PURE. */
export function stopReason(
  intent: EndingVm['intent'],
  shutdown: QmpEvents['SHUTDOWN'] | undefined,
  hasPidFile: boolean,
): Extract<StopReason, 'requested' | 'forced' | 'guest' | 'died'> {
  if (intent !== undefined) return intent;
  if (shutdown?.guest === true) return 'guest';
  if (shutdown !== undefined) return 'died'; // A signal: somebody else's doing.
  // Nobody was connected. QEMU takes its pid file away when it ends in order, and only then.
  return hasPidFile ? 'died' : 'guest';
}

/** Takes away what a dead QEMU leaves: sockets, pid files, a half-made screenshot. Logs stay. */
export async function sweepRunFolder(paths: VmPaths): Promise<void> {
  const leavings = [...socketsOf(paths), paths.pidFile, paths.tpmPidFile, paths.shot, paths.freeze];
  await Promise.all(leavings.map((path) => rm(path, { force: true })));
}

async function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The last thing that was said in a log, at most 500 characters. */
export async function lastLine(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trim().split('\n').at(-1)?.slice(0, 500) ?? '';
}
