/** Groups with their members, and who is assigned which desktop. What is taken away is published as a revocation. */

import type { DesktopRight } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';
import type { Revocations } from '../../platform/rights/revocations.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import { byNames } from '../../platform/store/page.ts';
import { type Store, uniqueOr } from '../../platform/store/store.ts';
import type { AssignmentRow, GroupRow } from '../../platform/store/tables/auth.ts';

const LIMITS = { assignmentsPerDesktop: 5_000 } as const;

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
    const row: GroupRow = { id: newId(), name, external, version: 1, created_at: this.#now() };
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
    const changed = await this.#store.db
      .updateTable('groups')
      .set({
        name: edit.name ?? before.name,
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

  /** Makes the user a member of exactly those external groups that the directory names; groups filled by hand stay. */
  async syncExternal(userId: string, externalNames: readonly string[]): Promise<void> {
    const named = new Set(externalNames);
    const own = new Set((await this.ofUser(userId)).map((group) => group.id));
    const external = await this.#store.db.selectFrom('groups').selectAll().where('external', 'is not', null).execute();
    for (const group of external) {
      const isNamed = group.external !== null && named.has(group.external);
      if (isNamed && !own.has(group.id)) await this.addMember(group.id, userId);
      if (!isNamed && own.has(group.id)) await this.removeMember(group.id, userId);
    }
  }
}

export interface AssignmentFilter {
  readonly desktopId?: string | undefined;
  readonly userId?: string | undefined;
  readonly groupId?: string | undefined;
}

export class Assignments {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;

  constructor(store: Store, revocations: Revocations, now: () => number) {
    this.#store = store;
    this.#revocations = revocations;
    this.#now = now;
  }

  /** By id, from after `afterId`. */
  async list(filter: AssignmentFilter, limit: number, afterId: string | undefined): Promise<AssignmentRow[]> {
    let query = this.#store.db.selectFrom('assignments').selectAll().orderBy('id').limit(limit);
    if (afterId !== undefined) query = query.where('id', '>', afterId);
    if (filter.desktopId !== undefined) query = query.where('desktop_id', '=', filter.desktopId);
    if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId);
    if (filter.groupId !== undefined) query = query.where('group_id', '=', filter.groupId);
    return query.execute();
  }

  async create(
    desktopId: string,
    to: { readonly userId: string } | { readonly groupId: string },
    rights: readonly DesktopRight[],
  ): Promise<AssignmentRow> {
    const userId = 'userId' in to ? to.userId : null;
    const groupId = 'groupId' in to ? to.groupId : null;
    const present = await this.list({ desktopId }, LIMITS.assignmentsPerDesktop, undefined);
    if (present.some((row) => row.user_id === userId && row.group_id === groupId)) {
      throw new GatewayError('ALREADY_EXISTS', `${userId ?? groupId} is assigned to desktop ${desktopId} already`);
    }
    if (LIMITS.assignmentsPerDesktop <= present.length)
      throw new GatewayError('TOO_MANY', 'use groups: this desktop has too many assignments');
    const row: AssignmentRow = {
      id: newId(),
      desktop_id: desktopId,
      user_id: userId,
      group_id: groupId,
      rights: JSON.stringify([...new Set(rights)]),
      created_at: this.#now(),
    };
    await this.#store.db.insertInto('assignments').values(row).execute();
    await this.#publish(row);
    return row;
  }

  async remove(id: string): Promise<AssignmentRow> {
    const row = await this.#store.db.deleteFrom('assignments').where('id', '=', id).returningAll().executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no assignment ${id}`);
    await this.#publish(row);
    return row;
  }

  /** The desktop is gone: so are its assignments and its sessions. Call it when a desktop is deleted. */
  async forgetDesktop(desktopId: string): Promise<void> {
    await this.#store.db.deleteFrom('assignments').where('desktop_id', '=', desktopId).execute();
    this.#revocations.publish({ kind: 'desktop', desktopId });
  }

  async #publish(row: AssignmentRow): Promise<void> {
    if (row.user_id !== null) this.#revocations.publish({ kind: 'rights', userId: row.user_id });
    if (row.group_id === null) return;
    const members = await this.#store.db
      .selectFrom('group_members')
      .select('user_id')
      .where('group_id', '=', row.group_id)
      .execute();
    for (const { user_id: userId } of members) this.#revocations.publish({ kind: 'rights', userId });
  }
}
