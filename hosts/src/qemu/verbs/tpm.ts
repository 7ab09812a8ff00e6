/** A TPM for one VM: swtpm beside QEMU, which ends when QEMU hangs up. Spec: swtpm(8), QEMU docs/specs/tpm. */
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { HostError } from '../../errors.ts';
import { killProcess, startDetached } from '../process/process.ts';
import { lastLine } from '../vm/end.ts';
import type { QemuVm } from '../vm/vm.ts';

export const SWTPM = '/usr/bin/swtpm';
const READY_MS = 5_000;

export async function startTpm(vm: QemuVm): Promise<void> {
  const { paths } = vm;
  await mkdir(paths.tpmState, { recursive: true, mode: 0o700 });
  const argv = [
    'socket',
    '--tpm2',
    '--terminate',
    '--tpmstate',
    `dir=${paths.tpmState},mode=0600`,
    '--ctrl',
    `type=unixio,path=${paths.tpm},mode=0600`,
    '--pid',
    `file=${paths.tpmPidFile}`,
  ];
  const { child, ref } = await startDetached(SWTPM, argv, paths.hostLog);
  const end = Date.now() + READY_MS;
  while (!existsSync(paths.tpm)) {
    if (end < Date.now() || child.exitCode !== null) {
      if (ref !== undefined) await killProcess(ref, READY_MS);
      throw new HostError('VM_START_FAILED', `swtpm for ${vm.id} did not come up: ${await lastLine(paths.hostLog)}`);
    }
    await delay(5);
  }
}
