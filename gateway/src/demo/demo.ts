/**
 * The first run: a small library to look at. A template, a linked clone of it, and a VM on the clone, each made whole or
 * not at all; the row of the host comes last and says that the first run is over, so a run that was cut off is made good
 * by the next start.
 */
import { randomUUID } from 'node:crypto';
import { copyFileSync, rmSync, truncateSync } from 'node:fs';
import path from 'node:path';
import { TOY_IMAGE_PATH } from '@oriel/hosts';
import { type DiskServiceClient, isVhdError } from '@oriel/vhd';
import type { Kysely, Transaction } from 'kysely';
import { VmHardware } from '../../api/vm.ts';
import { StartError } from '../errors.ts';
import type { DataFolder } from '../platform/process/data-folder.ts';
import type { Database } from '../platform/store/database.ts';

/** A firmware sees no disk in a smaller image. */
const TOY_DISK_BYTES = 4 * 2 ** 20;
const TEMPLATE_ID = 'toy';
const DISK_ID = 'toy-demo';
/** The name of the host that the gateway's own machine is. */
export const LOCAL_HOST_NAME = 'local';

export interface DemoDeps {
  readonly db: Kysely<Database>;
  readonly disks: DiskServiceClient;
  readonly folder: DataFolder;
  readonly now: () => number;
}

export async function isFirstRun(db: Kysely<Database>): Promise<boolean> {
  return (await db.selectFrom('hosts').select('id').limit(1).executeTakeFirst()) === undefined;
}

export async function makeDemo({ db, disks, folder, now }: DemoDeps): Promise<void> {
  try {
    await ensureTemplate(disks, folder);
    await ensureClone(disks);
  } catch (cause) {
    if (isVhdError(cause) && cause.code !== 'NO_SPACE') {
      throw new StartError(`the demo library cannot be made: ${cause.message}`, { cause });
    }
    throw cause;
  }
  await db.transaction().execute((trx) => addRows(trx, now()));
}

/** Host and VM come together or not at all. */
async function addRows(trx: Transaction<Database>, at: number): Promise<void> {
  const hostId = randomUUID();
  const vmId = randomUUID();
  const host = {
    id: hostId,
    name: LOCAL_HOST_NAME,
    kind: 'qemu',
    config: '{}',
    maintenance: 0,
    revision: 1,
    created_at: at,
  };
  await trx.insertInto('hosts').values(host).execute();
  const vm = {
    id: vmId,
    name: 'toy',
    description: 'A tiny system on a linked clone: it counts its boots and shows what you type.',
    host_id: hostId,
    wanted: 'running',
    wanted_at: at,
    force: 0,
    deleting: null,
    hardware: JSON.stringify(VmHardware.parse({ memoryMiB: 32, machine: 'pc', agent: false })),
    cd_image_id: null,
    session_rules: '{}',
    generation: 1,
    revision: 1,
    created_at: at,
    updated_at: at,
  };
  await trx.insertInto('vms').values(vm).execute();
  await trx.insertInto('vm_disks').values({ disk_id: DISK_ID, vm_id: vmId, device_id: 'disk0', bus: 'ide' }).execute();
}

async function ensureTemplate(disks: DiskServiceClient, folder: DataFolder): Promise<void> {
  const images = await disks.listImages();
  if (images.some((image) => image.id === TEMPLATE_ID)) return;
  const raw = path.join(folder.run, 'toy.raw');
  try {
    copyFileSync(TOY_IMAGE_PATH, raw);
    truncateSync(raw, TOY_DISK_BYTES);
    const task = await disks.importImage({ id: TEMPLATE_ID, name: 'Toy system', path: raw, kind: 'template' });
    await disks.waitForTask(task.id);
  } finally {
    rmSync(raw, { force: true });
  }
}

async function ensureClone(disks: DiskServiceClient): Promise<void> {
  if ((await disks.listDisks()).some((disk) => disk.id === DISK_ID)) return;
  await disks.createDisk({ id: DISK_ID, name: 'toy', source: { from: 'image', imageId: TEMPLATE_ID } });
}
