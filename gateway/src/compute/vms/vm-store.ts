/** The rows of VMs, their disks and their logs. ONE-WRITER begins here: a disk is in one VM's row or in none. */
import type { Kysely, Transaction } from 'kysely';
import type { SessionRules } from '../../../api/session-rules.ts';
import type { VmDisk, VmHardware, VmLogEntry, WantedState } from '../../../api/vm.ts';
import { VM_LIMITS } from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import type { Database } from '../../platform/store/database.ts';
import { uniqueOr } from '../../platform/store/store.ts';
import type { VmDiskRow, VmRow } from '../../platform/store/tables/vms.ts';
import { iso } from '../../platform/store/time.ts';

/** A VM as the store has it. */
export interface StoredVm {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly hostId: string;
  readonly wanted: WantedState;
  readonly wantedAt: number;
  readonly isForced: boolean;
  readonly deleting: 'keep' | 'delete' | undefined;
  readonly hardware: VmHardware;
  readonly disks: readonly StoredVmDisk[];
  readonly cdImageId: string | null;
  readonly sessionRules: SessionRules;
  readonly generation: number;
  readonly revision: number;
  readonly createdAt: number;
  readonly updatedAt: number;
}

export interface StoredVmDisk extends VmDisk {
  readonly deviceId: string;
}

export type NewVm = Pick<
  StoredVm,
  'id' | 'name' | 'description' | 'hostId' | 'wanted' | 'hardware' | 'cdImageId' | 'sessionRules'
>;

export interface VmChange {
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly hardware?: VmHardware | undefined;
  readonly disks?: readonly VmDisk[] | undefined;
  readonly cdImageId?: string | null | undefined;
  readonly sessionRules?: SessionRules | undefined;
}

export class VmStore {
  readonly #db: Kysely<Database>;
  readonly #now: () => number;

  constructor(db: Kysely<Database>, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  /** All of them, or those of one host. */
  async all(hostId?: string): Promise<StoredVm[]> {
    let wanted = this.#withRules();
    if (hostId !== undefined) wanted = wanted.where('host_id', '=', hostId);
    const rows = await wanted.execute();
    const disks = await this.#db.selectFrom('vm_disks').selectAll().orderBy('device_id').execute();
    const byVm = groupDisks(disks);
    return rows.map((row) => storedOf(row, byVm.get(row.id) ?? []));
  }

  /** A VM's session rules are those of its desktop. */
  #withRules() {
    return this.#db
      .selectFrom('vms')
      .leftJoin('desktops', 'desktops.vm_id', 'vms.id')
      .selectAll('vms')
      .select('desktops.policy as session_rules');
  }

  async get(id: string): Promise<StoredVm | undefined> {
    const row = await this.#withRules().where('vms.id', '=', id).executeTakeFirst();
    if (row === undefined) return undefined;
    const disks = await this.#db
      .selectFrom('vm_disks')
      .selectAll()
      .where('vm_id', '=', id)
      .orderBy('device_id')
      .execute();
    return storedOf(row, disks);
  }

  async require(id: string): Promise<StoredVm> {
    const vm = await this.get(id);
    if (vm === undefined) throw new GatewayError('NOT_FOUND', `no VM ${id}`);
    return vm;
  }

  /** The VM that has a disk. */
  async holderOf(diskId: string): Promise<{ id: string; name: string } | undefined> {
    return await this.#db
      .selectFrom('vm_disks')
      .innerJoin('vms', 'vms.id', 'vm_disks.vm_id')
      .select(['vms.id', 'vms.name'])
      .where('disk_id', '=', diskId)
      .executeTakeFirst();
  }

  /** Names of the VMs that have this disc in their drive. */
  async drivesWith(disc: string): Promise<string[]> {
    const rows = await this.#db.selectFrom('vms').select('name').where('cd_image_id', '=', disc).execute();
    return rows.map(({ name }) => name);
  }

  async count(): Promise<number> {
    const { count } = await this.#db
      .selectFrom('vms')
      .select((e) => e.fn.countAll<number>().as('count'))
      .executeTakeFirstOrThrow();
    return Number(count);
  }

  async hasName(name: string): Promise<boolean> {
    return (await this.#db.selectFrom('vms').select('id').where('name', '=', name).executeTakeFirst()) !== undefined;
  }

  /** By disk: the VM that has it. */
  async holders(): Promise<Map<string, { readonly id: string; readonly name: string }>> {
    const rows = await this.#db
      .selectFrom('vm_disks')
      .innerJoin('vms', 'vms.id', 'vm_disks.vm_id')
      .select(['disk_id', 'vms.id', 'vms.name'])
      .execute();
    return new Map(rows.map(({ disk_id, id, name }) => [disk_id, { id, name }]));
  }

  async ids(): Promise<string[]> {
    return (await this.#db.selectFrom('vms').select('id').execute()).map(({ id }) => id);
  }

  async add(vm: NewVm, disks: readonly VmDisk[]): Promise<StoredVm> {
    const at = this.#now();
    await this.#db.transaction().execute(async (trx) => {
      await trx
        .insertInto('vms')
        .values({
          id: vm.id,
          name: vm.name,
          description: vm.description,
          host_id: vm.hostId,
          wanted: vm.wanted,
          wanted_at: at,
          force: 0,
          deleting: null,
          hardware: JSON.stringify(vm.hardware),
          cd_image_id: vm.cdImageId,
          generation: 1,
          revision: 1,
          created_at: at,
          updated_at: at,
        })
        .execute()
        .catch(uniqueOr(`there is a VM ${vm.name} already`));
      // Its desktop comes and goes with it, and has its id.
      const policy = JSON.stringify(vm.sessionRules);
      await trx
        .insertInto('desktops')
        .values({ id: vm.id, kind: 'vm', vm_id: vm.id, policy, created_at: at })
        .execute();
      await this.#setDisks(trx, vm.id, [], disks);
    });
    return await this.require(vm.id);
  }

  /** Changes what the host must hear of, and what only people see. */
  async edit(id: string, change: VmChange): Promise<StoredVm> {
    await this.#db.transaction().execute(async (trx) => {
      const row = await trx.selectFrom('vms').selectAll().where('id', '=', id).executeTakeFirst();
      if (row === undefined) throw new GatewayError('NOT_FOUND', `no VM ${id}`);
      if (change.disks !== undefined) {
        const before = await trx.selectFrom('vm_disks').selectAll().where('vm_id', '=', id).execute();
        await this.#setDisks(trx, id, before, change.disks);
      }
      if (change.sessionRules !== undefined) {
        const policy = JSON.stringify(change.sessionRules);
        await trx.updateTable('desktops').set({ policy }).where('vm_id', '=', id).execute();
      }
      const isSpecChange = [change.name, change.hardware, change.disks, change.cdImageId].some(
        (part) => part !== undefined,
      );
      await trx
        .updateTable('vms')
        .set({
          name: change.name ?? row.name,
          description: change.description ?? row.description,
          hardware: change.hardware === undefined ? row.hardware : JSON.stringify(change.hardware),
          cd_image_id: change.cdImageId === undefined ? row.cd_image_id : change.cdImageId,
          generation: row.generation + (isSpecChange ? 1 : 0),
          revision: row.revision + 1,
          updated_at: this.#now(),
        })
        .where('id', '=', id)
        .execute()
        .catch(uniqueOr(`there is a VM ${change.name ?? row.name} already`));
    });
    return await this.require(id);
  }

  async want(id: string, wanted: WantedState, force = false): Promise<StoredVm> {
    return await this.#set(id, { wanted, force: force ? 1 : 0, wanted_at: this.#now() });
  }

  async markDeleting(id: string, disks: 'keep' | 'delete'): Promise<StoredVm> {
    return await this.#set(id, { deleting: disks });
  }

  async remove(id: string): Promise<void> {
    await this.#db.deleteFrom('vms').where('id', '=', id).execute();
  }

  async log(id: string, level: VmLogEntry['level'], event: string, message: string): Promise<void> {
    await this.#db.transaction().execute(async (trx) => {
      const isThere = await trx.selectFrom('vms').select('id').where('id', '=', id).executeTakeFirst();
      if (isThere === undefined) return;
      const { last } = await trx
        .selectFrom('vm_log')
        .select((e) => e.fn.max('seq').as('last'))
        .where('vm_id', '=', id)
        .executeTakeFirstOrThrow();
      const seq = Number(last ?? 0) + 1;
      await trx
        .insertInto('vm_log')
        .values({ vm_id: id, seq, at: this.#now(), level, event, message: message.slice(0, 2000) })
        .execute();
      await this.#thinOut(trx, id, event);
      // BOUNDED: the newest entries of each VM.
      await trx
        .deleteFrom('vm_log')
        .where('vm_id', '=', id)
        .where('seq', '<=', seq - VM_LIMITS.logEntries)
        .execute();
    });
  }

  /** What repeats (paused, resumed, paused …) pushes out its own kind, and not the rest of a VM's history. */
  async #thinOut(trx: Transaction<Database>, id: string, event: string): Promise<void> {
    const last = await trx
      .selectFrom('vm_log')
      .select('seq')
      .where('vm_id', '=', id)
      .where('event', '=', event)
      .orderBy('seq', 'desc')
      .offset(VM_LIMITS.logEntriesOfAKind)
      .limit(1)
      .executeTakeFirst();
    if (last === undefined) return;
    await trx
      .deleteFrom('vm_log')
      .where('vm_id', '=', id)
      .where('event', '=', event)
      .where('seq', '<=', last.seq)
      .execute();
  }

  async readLog(id: string): Promise<VmLogEntry[]> {
    const rows = await this.#db
      .selectFrom('vm_log')
      .selectAll()
      .where('vm_id', '=', id)
      .orderBy('seq', 'desc')
      .execute();
    return rows.map((row) => ({
      at: iso(row.at),
      level: row.level as VmLogEntry['level'],
      event: row.event,
      message: row.message,
    }));
  }

  async #set(id: string, change: Partial<VmRow>): Promise<StoredVm> {
    await this.#db
      .updateTable('vms')
      .set((e) => ({ ...change, revision: e('revision', '+', 1), updated_at: this.#now() }))
      .where('id', '=', id)
      .execute();
    return await this.require(id);
  }

  /** Disks that stay keep their device id: the guest must find them where they were. */
  async #setDisks(
    trx: Transaction<Database>,
    vmId: string,
    before: readonly VmDiskRow[],
    disks: readonly VmDisk[],
  ): Promise<void> {
    const wanted = new Map(disks.map((disk) => [disk.diskId, disk]));
    if (wanted.size !== disks.length) throw new GatewayError('CONFLICT', 'the same disk is given twice');
    for (const row of before) {
      const disk = wanted.get(row.disk_id);
      if (disk === undefined) await trx.deleteFrom('vm_disks').where('disk_id', '=', row.disk_id).execute();
      else await trx.updateTable('vm_disks').set({ bus: disk.bus }).where('disk_id', '=', row.disk_id).execute();
    }
    const taken = new Set(before.filter((row) => wanted.has(row.disk_id)).map((row) => row.device_id));
    for (const disk of disks) {
      if (before.some((row) => row.disk_id === disk.diskId)) continue;
      await this.#refuseIfHeld(trx, disk.diskId);
      const device_id = freeDeviceId(taken);
      taken.add(device_id);
      await trx
        .insertInto('vm_disks')
        .values({ disk_id: disk.diskId, vm_id: vmId, device_id, bus: disk.bus })
        .execute()
        .catch(uniqueOr(`disk ${disk.diskId} is another VM's by now`));
    }
  }

  /** Not which VM has it: that one may be hidden from who asks. */
  async #refuseIfHeld(trx: Transaction<Database>, diskId: string): Promise<void> {
    const held = await trx.selectFrom('vm_disks').select('vm_id').where('disk_id', '=', diskId).executeTakeFirst();
    if (held !== undefined) throw new GatewayError('CONFLICT', `disk ${diskId} is in use by another VM`);
  }
}

function freeDeviceId(taken: ReadonlySet<string>): string {
  for (let at = 0; ; at++) if (!taken.has(`disk${at}`)) return `disk${at}`;
}

function groupDisks(disks: readonly VmDiskRow[]): Map<string, VmDiskRow[]> {
  const byVm = new Map<string, VmDiskRow[]>();
  for (const disk of disks) {
    const list = byVm.get(disk.vm_id);
    if (list === undefined) byVm.set(disk.vm_id, [disk]);
    else list.push(disk);
  }
  return byVm;
}

function storedOf(row: VmRow & { readonly session_rules: string | null }, disks: readonly VmDiskRow[]): StoredVm {
  return {
    id: row.id,
    name: row.name,
    description: row.description,
    hostId: row.host_id,
    wanted: row.wanted as WantedState,
    wantedAt: row.wanted_at,
    isForced: row.force === 1,
    deleting: row.deleting === 'keep' || row.deleting === 'delete' ? row.deleting : undefined,
    hardware: JSON.parse(row.hardware) as VmHardware,
    disks: disks.map((disk) => ({ diskId: disk.disk_id, deviceId: disk.device_id, bus: disk.bus as VmDisk['bus'] })),
    cdImageId: row.cd_image_id,
    sessionRules: JSON.parse(row.session_rules ?? '{}') as SessionRules,
    generation: row.generation,
    revision: row.revision,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
