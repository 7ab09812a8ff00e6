/** Groups with their members. What is taken away is published as a revocation. */
import { searchKey } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import type { Revocations } from '../../platform/rights/revocations.ts';
import { type Reach, withImplied } from '../../platform/rights/rights.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import { byNames } from '../../platform/store/page.ts';
import { type Store, uniqueOr } from '../../platform/store/store.ts';
import type { GroupRow } from '../../platform/store/tables/auth.ts';
import { desktopRightsOf } from './accounts.ts';
import { groupKey } from './group-key.ts';

export class Groups {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;

  constructor(store: Store, revocations: Revocations, now: () => number) {
    this.#store = store;
    this.#revocations = revocations;
    this.#now = now;
  }

  async get(id: string): Promise<GroupRow> {
    const row = await this.#store.db.selectFrom('groups').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no group ${id}`);
    return row;
  }

  /** By name, from after `afterName`. */
  async list(search: string | undefined, limit: number, afterName: string | undefined): Promise<GroupRow[]> {
    const names = { search, limit, afterName };
    return this.#store.db.selectFrom('groups').selectAll('groups').$call(byNames('groups', names)).execute();
  }

  async create(name: string, external: string | null): Promise<GroupRow> {
    const row: GroupRow = {
      id: newId(),
      name,
      external,
      version: 1,
      created_at: this.#now(),
      search_key: searchKey(name),
    };
    await this.#store.db
      .insertInto('groups')
      .values(row)
      .execute()
      .catch(uniqueOr(`there is a group ${name} already`));
    return row;
  }

  async edit(
    id: string,
    version: number,
    edit: { readonly name?: string | undefined; readonly external?: string | null | undefined },
  ): Promise<GroupRow> {
    const before = await this.get(id);
    const name = edit.name ?? before.name;
    const changed = await this.#store.db
      .updateTable('groups')
      .set({
        name,
        search_key: searchKey(name),
        external: edit.external === undefined ? before.external : edit.external,
        version: version + 1,
      })
      .where('id', '=', id)
      .where('version', '=', version)
      .executeTakeFirst()
      .catch(uniqueOr(`there is a group ${edit.name} already`));
    if (changed.numUpdatedRows === 0n)
      throw new GatewayError('CHANGED_MEANWHILE', `somebody else changed group ${before.name}`);
    return this.get(id);
  }

  async remove(id: string): Promise<void> {
    await this.get(id);
    const members = await this.members(id);
    await this.#store.db.deleteFrom('groups').where('id', '=', id).execute();
    for (const userId of members) this.#revocations.publish({ kind: 'rights', userId });
  }

  async members(id: string): Promise<string[]> {
    const rows = await this.#store.db
      .selectFrom('group_members')
      .select('user_id')
      .where('group_id', '=', id)
      .execute();
    return rows.map((row) => row.user_id);
  }

  async memberCounts(ids: readonly string[]): Promise<Map<string, number>> {
    if (ids.length === 0) return new Map();
    const rows = await this.#store.db
      .selectFrom('group_members')
      .select((count) => ['group_id', count.fn.countAll<number>().as('n')])
      .where('group_id', 'in', ids)
      .groupBy('group_id')
      .execute();
    return new Map(rows.map((row) => [row.group_id, Number(row.n)]));
  }

  async ofUser(userId: string): Promise<{ readonly id: string; readonly name: string }[]> {
    return (await this.ofUsers([userId])).get(userId) ?? [];
  }

  /** The groups of each, by name. */
  async ofUsers(userIds: readonly string[]): Promise<Map<string, { readonly id: string; readonly name: string }[]>> {
    const byUser = new Map<string, { readonly id: string; readonly name: string }[]>();
    if (userIds.length === 0) return byUser;
    const rows = await this.#store.db
      .selectFrom('groups')
      .innerJoin('group_members', 'group_members.group_id', 'groups.id')
      .select(['group_members.user_id', 'groups.id', 'groups.name'])
      .where('group_members.user_id', 'in', userIds)
      .orderBy('groups.name')
      .execute();
    for (const { user_id: userId, id, name } of rows) byUser.set(userId, [...(byUser.get(userId) ?? []), { id, name }]);
    return byUser;
  }

  async addMember(groupId: string, userId: string): Promise<void> {
    await this.#store.db
      .insertInto('group_members')
      .values({ group_id: groupId, user_id: userId })
      .onConflict((conflict) => conflict.doNothing())
      .execute();
    this.#revocations.publish({ kind: 'rights', userId });
  }

  async removeMember(groupId: string, userId: string): Promise<void> {
    await this.#store.db
      .deleteFrom('group_members')
      .where('group_id', '=', groupId)
      .where('user_id', '=', userId)
      .execute();
    this.#revocations.publish({ kind: 'rights', userId });
  }

  /** What membership gives. */
  async reachOf(id: string): Promise<Reach> {
    const { db } = this.#store;
    const rows = await db
      .selectFrom('assignments')
      .select(['desktop_id', 'rights'])
      .where('group_id', '=', id)
      .execute();
    const onDesktop = new Map(rows.map((row) => [row.desktop_id, withImplied(desktopRightsOf(row.rights))]));
    return { everywhere: new Set(), onDesktop };
  }

  /** Whether rules for the sessions of its people are laid down: who comes in or goes out is under others then. */
  async hasRules(id: string): Promise<boolean> {
    const row = await this.#store.db
      .selectFrom('policies')
      .select('rules')
      .where('layer', '=', 'group')
      .where('subject_id', '=', id)
      .executeTakeFirst();
    return row !== undefined && row.rules !== '{}';
  }

  /** Makes the user a member of exactly those external groups that the directory names; groups filled by hand stay. */
  async syncExternal(userId: string, externalNames: readonly string[]): Promise<void> {
    const named = new Set(externalNames.map(groupKey));
    const own = new Set((await this.ofUser(userId)).map((group) => group.id));
    const external = await this.#store.db.selectFrom('groups').selectAll().where('external', 'is not', null).execute();
    for (const group of external) {
      const isNamed = group.external !== null && named.has(groupKey(group.external));
      if (isNamed && !own.has(group.id)) await this.addMember(group.id, userId);
      if (!isNamed && own.has(group.id)) await this.removeMember(group.id, userId);
    }
  }
}
