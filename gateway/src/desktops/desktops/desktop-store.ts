/** The rows of desktops. Those of VMs are made and removed with the VM, in its transaction (compute/vms/vm-store.ts). */
import type { Kysely } from 'kysely';
import { DesktopKind } from '../../../api/desktop.ts';
import type { Database } from '../../platform/store/database.ts';
import type { DesktopRow } from '../../platform/store/tables/desktops.ts';
import type { StoredDesktop } from './target.ts';

export class DesktopStore {
  readonly #db: Kysely<Database>;

  constructor(db: Kysely<Database>) {
    this.#db = db;
  }

  async all(): Promise<StoredDesktop[]> {
    return (await this.#db.selectFrom('desktops').selectAll().execute()).map(storedOf);
  }

  async get(id: string): Promise<StoredDesktop | undefined> {
    const row = await this.#db.selectFrom('desktops').selectAll().where('id', '=', id).executeTakeFirst();
    return row && storedOf(row);
  }

  async has(id: string): Promise<boolean> {
    return (await this.#db.selectFrom('desktops').select('id').where('id', '=', id).executeTakeFirst()) !== undefined;
  }
}

function storedOf(row: DesktopRow): StoredDesktop {
  return { id: row.id, kind: DesktopKind.parse(row.kind), vmId: row.vm_id };
}
