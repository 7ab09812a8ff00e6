/** The verbs that act on a VM that runs: stop, kill, reset, pause, resume. */
import { isAlive } from '@oriel/machine';
import { HostError } from '../../errors.ts';
import type { TaskControl } from '../../task-book.ts';
import { killProcess, waitForExit } from '../process/process.ts';
import type { QemuVm } from '../vm/vm.ts';

/** Presses the power button until the guest is off or `forceAt` has come; then forces it. */
export async function stopVm(vm: QemuVm, forceAt: number, control: TaskControl): Promise<void> {
  if (vm.process === undefined) {
    await vm.ended(); // A kill that overtook us may be about to say so.
    if (vm.state.state === 'stopped') return;
    throw vm.wrongState('stop');
  }
  const before = vm.state;
  vm.become({ state: 'stopping', forceAt });
  try {
    if (before.state === 'paused' && before.reason.kind === 'requested') await vm.connection('stop').execute('cont');
    const canAnswer = before.state !== 'paused' || before.reason.kind === 'requested';
    if (canAnswer && (await pressUntil(vm, forceAt, control))) return;
  } catch (error) {
    if (control.signal.aborted) throw error;
    // A control socket that does not answer is one more reason to force.
  }
  await forceOff(vm, 'forced');
}

async function pressUntil(vm: QemuVm, forceAt: number, control: TaskControl): Promise<boolean> {
  const began = vm.host.now();
  while (vm.process !== undefined) {
    const left = forceAt - vm.host.now();
    if (left <= 0) return false;
    if (control.signal.aborted) {
      await vm.refreshAfterVerb();
      throw new HostError('TASK_CANCELLED', `the stop of ${vm.id} was cancelled; its guest may still shut down`);
    }
    vm.intent = 'requested';
    await vm.connection('stop').execute('system_powerdown');
    control.progress((vm.host.now() - began) / Math.max(1, forceAt - began), 'waiting for the guest');
    await vm.waitFor(() => vm.process === undefined, Math.min(left, vm.host.timing.pressMs), control.signal);
  }
  return true;
}

/** `quit`, which closes the disks in order, then SIGKILL. */
export async function forceOff(vm: QemuVm, intent: 'forced' | 'requested'): Promise<void> {
  vm.checkHeld();
  const record = vm.process;
  if (record === undefined) return;
  vm.intent = intent;
  const { quitMs } = vm.host.timing;
  if (vm.qmp?.isOpen === true) {
    await vm.qmp.execute('quit', undefined, { timeoutMs: quitMs }).catch(() => undefined);
    await waitForExit(record.ref, quitMs);
  }
  if (isAlive(record.ref)) await killProcess(record.ref, quitMs);
  await vm.ended();
}

export async function killVm(vm: QemuVm): Promise<void> {
  if (vm.process === undefined && vm.state.state !== 'stopped') throw vm.wrongState('kill');
  await forceOff(vm, 'forced');
}

export async function resetVm(vm: QemuVm): Promise<void> {
  const qmp = vm.connection('reset');
  await qmp.execute('system_reset');
  if (vm.state.state === 'paused') await qmp.execute('cont');
}

export async function pauseVm(vm: QemuVm): Promise<void> {
  if (vm.state.state === 'paused') return;
  if (vm.state.state !== 'running') throw vm.wrongState('pause');
  await vm.connection('pause').execute('stop');
  await vm.refresh();
}

export async function resumeVm(vm: QemuVm): Promise<void> {
  if (vm.state.state === 'running') return;
  if (vm.state.state !== 'paused') throw vm.wrongState('resume');
  await vm.connection('resume').execute('cont');
  await vm.refresh();
}
