/** Who is assigned which desktop. What is taken away is published as a revocation. */
import type { DesktopRight } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';
import { OneByOne } from '../../platform/process/one-by-one.ts';
import type { Revocations } from '../../platform/rights/revocations.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';
import type { AssignmentRow } from '../../platform/store/tables/auth.ts';

const LIMITS = { assignmentsPerDesktop: 5_000 } as const;

export interface AssignmentFilter {
  readonly desktopId?: string | undefined;
  readonly userId?: string | undefined;
  readonly groupId?: string | undefined;
}

export class Assignments {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;
  readonly #turns = new OneByOne();

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

  /** One at a time for each desktop: else two at once would both find that there is none yet. */
  create(
    desktopId: string,
    to: { readonly userId: string } | { readonly groupId: string },
    rights: readonly DesktopRight[],
  ): Promise<AssignmentRow> {
    return this.#turns.run(desktopId, () => this.#create(desktopId, to, rights));
  }

  async #create(
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
