/** The layers of policies, as they are kept, and what they come to for somebody on a desktop. */
import type { Kysely } from 'kysely';
import type { DesktopPolicy } from '../../../api/policy.ts';
import type { SessionRules } from '../../../api/session-rules.ts';
import { GatewayError } from '../../errors.ts';
import { can, type Principal } from '../../platform/rights/rights.ts';
import type { Database } from '../../platform/store/database.ts';
import { type Layer, lifted, type Resolved, resolve } from './resolve.ts';

/** Of the gateway there is one. */
const GATEWAY = '';

export class Policies {
  readonly #db: Kysely<Database>;
  readonly #now: () => number;

  constructor(db: Kysely<Database>, now: () => number) {
    this.#db = db;
    this.#now = now;
  }

  async ofGateway(): Promise<SessionRules> {
    return await this.#get('gateway', GATEWAY);
  }

  async setGateway(rules: SessionRules): Promise<void> {
    await this.#set('gateway', GATEWAY, rules);
  }

  /** Errors: NOT_FOUND. */
  async ofGroup(id: string): Promise<SessionRules> {
    await this.#requireGroup(id);
    return await this.#get('group', id);
  }

  /** Errors: NOT_FOUND. */
  async setGroup(id: string, rules: SessionRules): Promise<void> {
    await this.#requireGroup(id);
    await this.#set('group', id, rules);
  }

  /** Errors: NOT_FOUND. */
  async ofDesktop(id: string): Promise<SessionRules> {
    const row = await this.#db.selectFrom('desktops').select('policy').where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no desktop ${id}`);
    return JSON.parse(row.policy) as SessionRules;
  }

  /**
   * Throws FORBIDDEN where the rules for a desktop would lift what the gateway or a group says (S59), and the principal does
   * not hold `settings`. Any group: who opens the desktop may be in it.
   */
  async requireMay(principal: Principal, before: SessionRules, after: SessionRules): Promise<void> {
    if (can(principal, 'settings')) return;
    const rows = await this.#db.selectFrom('policies').select('rules').execute();
    const below = rows.map(({ rules }) => JSON.parse(rules) as SessionRules);
    const member = lifted(before, after, below);
    if (member === undefined) return;
    throw new GatewayError(
      'FORBIDDEN',
      `this needs the right "settings": ${member} would allow more than the policy of the gateway, or of a group, does`,
    );
  }

  async setDesktop(id: string, rules: SessionRules): Promise<void> {
    await this.#db
      .updateTable('desktops')
      .set({ policy: JSON.stringify(rules) })
      .where('id', '=', id)
      .execute();
  }

  /** What the principal's sessions on the desktop may do, and who says so. */
  async resolvedFor(principal: Pick<Principal, 'groupIds'>, desktopId: string): Promise<Resolved> {
    const groups = await this.#layersOfGroups(principal.groupIds);
    return resolve([
      { layer: 'gateway', name: null, rules: await this.ofGateway() },
      ...groups,
      { layer: 'desktop', name: null, rules: await this.ofDesktop(desktopId) },
    ]);
  }

  /** As the API shows it. */
  async shownTo(principal: Pick<Principal, 'groupIds'>, desktopId: string): Promise<DesktopPolicy> {
    return { rules: await this.ofDesktop(desktopId), ...(await this.resolvedFor(principal, desktopId)) };
  }

  async #layersOfGroups(ids: readonly string[]): Promise<Layer[]> {
    if (ids.length === 0) return [];
    const rows = await this.#db
      .selectFrom('policies')
      .innerJoin('groups', 'groups.id', 'policies.subject_id')
      .select(['groups.name', 'policies.rules'])
      .where('policies.layer', '=', 'group')
      .where('policies.subject_id', 'in', [...ids])
      .orderBy('groups.name')
      .execute();
    return rows.map(({ name, rules }) => ({ layer: 'group', name, rules: JSON.parse(rules) as SessionRules }));
  }

  async #requireGroup(id: string): Promise<void> {
    const found = await this.#db.selectFrom('groups').select('id').where('id', '=', id).executeTakeFirst();
    if (found === undefined) throw new GatewayError('NOT_FOUND', `there is no group ${id}`);
  }

  async #get(layer: 'gateway' | 'group', subjectId: string): Promise<SessionRules> {
    const row = await this.#db
      .selectFrom('policies')
      .select('rules')
      .where('layer', '=', layer)
      .where('subject_id', '=', subjectId)
      .executeTakeFirst();
    return row === undefined ? {} : (JSON.parse(row.rules) as SessionRules);
  }

  async #set(layer: 'gateway' | 'group', subjectId: string, rules: SessionRules): Promise<void> {
    const row = { layer, subject_id: subjectId, rules: JSON.stringify(rules), updated_at: this.#now() };
    await this.#db
      .insertInto('policies')
      .values(row)
      .onConflict((conflict) =>
        conflict.columns(['layer', 'subject_id']).doUpdateSet({ rules: row.rules, updated_at: row.updated_at }),
      )
      .execute();
  }
}
