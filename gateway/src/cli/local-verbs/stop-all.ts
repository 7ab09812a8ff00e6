/**
 * `oriel stop --all`: after the gateway has ended, the VMs on this machine and the disk service end too. What is wanted of
 * the VMs stays as it is in the store: those that ran start again with the next gateway.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type HostDriver, qemuDriver, type VmObservation } from '@oriel/hosts';
import { connectDiskService } from '@oriel/vhd';
import { type DataFolder, hostFolders, lockDataFolder } from '../../platform/process/data-folder.ts';
import { openStore } from '../../platform/store/store.ts';

const GRACE_MS = 10_000;
/** How long the disk service may take to end once it has closed its disks. */
const SERVICE_END = { forMs: 5_000, everyMs: 20 } as const;

export interface StopReport {
  readonly vms: readonly { readonly id: string; readonly name: string }[];
}

export async function stopAll(
  folder: DataFolder,
  databaseUrl: string | undefined,
  isForced: boolean,
): Promise<StopReport> {
  if (!existsSync(folder.root)) return { vms: [] };
  // No gateway starts while its VMs are being stopped.
  const unlock = await lockDataFolder(folder);
  try {
    const vms: VmObservation[] = [];
    for (const hostId of await qemuHosts(folder, databaseUrl)) vms.push(...(await stopVms(folder, hostId, isForced)));
    await stopDiskService(folder);
    return { vms: vms.map(({ id, name }) => ({ id, name })) };
  } finally {
    unlock();
  }
}

async function qemuHosts(folder: DataFolder, databaseUrl: string | undefined): Promise<string[]> {
  const store = await openStore({ folder: folder.root, databaseUrl });
  try {
    const rows = await store.db.selectFrom('hosts').select('id').where('kind', '=', 'qemu').execute();
    return rows.map((row) => row.id);
  } finally {
    await store.close();
  }
}

async function stopVms(folder: DataFolder, hostId: string, isForced: boolean): Promise<VmObservation[]> {
  const { run, state } = hostFolders(folder, hostId);
  if (!existsSync(run)) return [];
  const driver: HostDriver = qemuDriver({ runDir: run, stateDir: state, accelerator: 'tcg' });
  await driver.connect();
  try {
    const up = (await driver.list()).filter((vm) => !['stopped', 'saved', 'broken'].includes(vm.state.state));
    await Promise.all(up.map((vm) => driver.power(vm.id, isForced ? 'kill' : 'stop', { graceMs: GRACE_MS }).done));
    return up;
  } finally {
    await driver.close();
  }
}

/** Ends the disk service and waits until its process is gone, so that the next start finds the folder free. */
async function stopDiskService(folder: DataFolder): Promise<void> {
  const client = connectDiskService(folder.diskSocket);
  try {
    const { pid } = await client.health();
    await client.stop();
    // First our connection: the service waits for the ones that are open.
    client.disconnect();
    for (
      let waitedMs = 0;
      existsSync(`/proc/${pid}`) && waitedMs < SERVICE_END.forMs;
      waitedMs += SERVICE_END.everyMs
    ) {
      await sleep(SERVICE_END.everyMs);
    }
  } catch {
    // It does not run.
  } finally {
    client.disconnect();
  }
}
