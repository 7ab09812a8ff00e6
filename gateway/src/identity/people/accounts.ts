/** Accounts, and what each may do at this moment. Every change that takes something away is published as a revocation. */
import type { Selectable } from 'kysely';
import { DESKTOP_RIGHTS, type DesktopRight, ROLES, type Role } from '../../../api/rights.ts';
import { foldName, searchKey } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import { OneByOne } from '../../platform/process/one-by-one.ts';
import type { Revocations } from '../../platform/rights/revocations.ts';
import { makePrincipal, type Principal, type Reach, type Via } from '../../platform/rights/rights.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import { byNames } from '../../platform/store/page.ts';
import { type Store, uniqueOr } from '../../platform/store/store.ts';
import type { UserRow } from '../../platform/store/tables/auth.ts';

export interface Account {
  readonly id: string;
  readonly name: string;
  readonly displayName: string;
  readonly roles: readonly Role[];
  /** `local`, `ldap` or `oidc:<issuer>`. */
  readonly source: string;
  readonly subject: string | null;
  readonly password: string | null;
  readonly totpSecret: string | null;
  readonly isDisabled: boolean;
  readonly version: number;
  readonly createdAt: number;
}

export interface NewAccount {
  readonly name: string;
  readonly displayName?: string | undefined;
  readonly roles: readonly Role[];
  readonly source?: string;
  readonly subject?: string | null;
  readonly password?: string | null;
}

export interface AccountEdit {
  readonly displayName?: string | undefined;
  readonly roles?: readonly Role[] | undefined;
  readonly isDisabled?: boolean | undefined;
}

export interface AccountFilter {
  readonly search?: string | undefined;
  readonly role?: Role | undefined;
  readonly groupId?: string | undefined;
}

/** Whoever may be the last admin is changed by one at a time: else two who go at once would leave none. */
const ADMINS = 'admins';

export class Accounts {
  readonly #store: Store;
  readonly #revocations: Revocations;
  readonly #now: () => number;
  readonly #turns = new OneByOne();

  constructor(store: Store, revocations: Revocations, now: () => number) {
    this.#store = store;
    this.#revocations = revocations;
    this.#now = now;
  }

  /** The account as it stands now with all its rights; undefined where it is gone or disabled. Nothing is cached. */
  async principalOf(userId: string, via: Via): Promise<Principal | undefined> {
    return this.#principalOf(userId, via, false);
  }

  /** All that the account may do, or may as soon as it is enabled again: what outranks it is judged by this. */
  async reachOf(userId: string): Promise<Reach> {
    const principal = await this.#principalOf(userId, { kind: 'local' }, true);
    if (principal === undefined) throw new GatewayError('NOT_FOUND', `there is no user ${userId}`);
    return principal;
  }

  async #principalOf(userId: string, via: Via, isDisabledToo: boolean): Promise<Principal | undefined> {
    const { db } = this.#store;
    const user = await db
      .selectFrom('users')
      .select(['id', 'name', 'roles', 'disabled'])
      .where('id', '=', userId)
      .executeTakeFirst();
    if (user === undefined || (user.disabled !== 0 && !isDisabledToo)) return undefined;
    const groups = await db.selectFrom('group_members').select('group_id').where('user_id', '=', userId).execute();
    const groupIds = groups.map((row) => row.group_id);
    const assigned = await db
      .selectFrom('assignments')
      .select(['desktop_id', 'rights'])
      .where((where) => {
        const own = where('user_id', '=', userId);
        return groupIds.length === 0 ? own : where.or([own, where('group_id', 'in', groupIds)]);
      })
      .execute();
    const assignments = assigned.map((row) => ({ desktopId: row.desktop_id, rights: desktopRightsOf(row.rights) }));
    return makePrincipal({ id: user.id, name: user.name, roles: rolesOf(user.roles), groupIds }, assignments, via);
  }

  async find(userId: string): Promise<Account | undefined> {
    const row = await this.#store.db.selectFrom('users').selectAll().where('id', '=', userId).executeTakeFirst();
    return row && toAccount(row);
  }

  async get(userId: string): Promise<Account> {
    const account = await this.find(userId);
    if (account === undefined) throw new GatewayError('NOT_FOUND', `there is no user ${userId}`);
    return account;
  }

  async findByName(name: string): Promise<Account | undefined> {
    const row = await this.#store.db
      .selectFrom('users')
      .selectAll()
      .where('name', '=', foldName(name))
      .executeTakeFirst();
    return row && toAccount(row);
  }

  async findBySubject(source: string, subject: string): Promise<Account | undefined> {
    const row = await this.#store.db
      .selectFrom('users')
      .selectAll()
      .where('source', '=', source)
      .where('subject', '=', subject)
      .executeTakeFirst();
    return row && toAccount(row);
  }

  /** By name, from after `afterName`. */
  async list(filter: AccountFilter, limit: number, afterName: string | undefined): Promise<Account[]> {
    const names = { search: filter.search, limit, afterName };
    let query = this.#store.db.selectFrom('users').selectAll('users').$call(byNames('users', names));
    if (filter.role !== undefined) query = query.where('users.roles', 'like', `%"${filter.role}"%`);
    if (filter.groupId !== undefined) {
      const groupId = filter.groupId;
      query = query.where('users.id', 'in', (sub) =>
        sub.selectFrom('group_members').select('user_id').where('group_id', '=', groupId),
      );
    }
    return (await query.execute()).map(toAccount);
  }

  async create(wanted: NewAccount): Promise<Account> {
    const name = foldName(wanted.name);
    const displayName = wanted.displayName ?? wanted.name;
    const row: UserRow = {
      id: newId(),
      name,
      display_name: displayName,
      roles: JSON.stringify([...new Set(wanted.roles)]),
      source: wanted.source ?? 'local',
      subject: wanted.subject ?? null,
      password: wanted.password ?? null,
      totp_secret: null,
      totp_step: 0,
      disabled: 0,
      version: 1,
      created_at: this.#now(),
      search_key: searchKey(`${name} ${displayName}`),
    };
    await this.#store.db
      .insertInto('users')
      .values(row)
      .execute()
      .catch(uniqueOr(`there is a user ${row.name} already`));
    return toAccount(row);
  }

  /** Changes an account that is still at `version`; the last admin stays one. */
  edit(userId: string, version: number, edit: AccountEdit): Promise<Account> {
    return this.#turns.run(ADMINS, () => this.#edit(userId, version, edit));
  }

  async #edit(userId: string, version: number, edit: AccountEdit): Promise<Account> {
    const before = await this.get(userId);
    const isAdminAfter = (edit.roles ?? before.roles).includes('admin') && !(edit.isDisabled ?? before.isDisabled);
    if (!isAdminAfter) await this.#keepOneAdmin(userId);
    const displayName = edit.displayName ?? before.displayName;
    const changed = await this.#store.db
      .updateTable('users')
      .set({
        display_name: displayName,
        search_key: searchKey(`${before.name} ${displayName}`),
        roles: JSON.stringify([...new Set(edit.roles ?? before.roles)]),
        disabled: (edit.isDisabled ?? before.isDisabled) ? 1 : 0,
        version: version + 1,
      })
      .where('id', '=', userId)
      .where('version', '=', version)
      .executeTakeFirst();
    if (changed.numUpdatedRows === 0n)
      throw new GatewayError('CHANGED_MEANWHILE', `somebody else changed user ${before.name}`);
    if (edit.isDisabled === true) await this.#endSignIns(userId);
    else if (edit.roles !== undefined) this.#revocations.publish({ kind: 'rights', userId });
    return this.get(userId);
  }

  async remove(userId: string): Promise<void> {
    await this.get(userId);
    await this.#turns.run(ADMINS, async () => {
      await this.#keepOneAdmin(userId);
      await this.#store.db.deleteFrom('users').where('id', '=', userId).execute();
    });
    this.#revocations.publish({ kind: 'user', userId });
  }

  async setPassword(userId: string, record: string | null): Promise<void> {
    await this.#store.db.updateTable('users').set({ password: record }).where('id', '=', userId).execute();
  }

  /** Accounts that can sign in as admin. */
  async admins(): Promise<Account[]> {
    const rows = await this.#store.db
      .selectFrom('users')
      .selectAll()
      .where('roles', 'like', '%"admin"%')
      .where('disabled', '=', 0)
      .orderBy('created_at')
      .execute();
    return rows.map(toAccount);
  }

  async #keepOneAdmin(withoutUserId: string): Promise<void> {
    const admins = await this.admins();
    if (admins.length === 1 && admins[0]?.id === withoutUserId) {
      throw new GatewayError('CONFLICT', `${admins[0].name} is the last admin`);
    }
  }

  async #endSignIns(userId: string): Promise<void> {
    await this.#store.db.deleteFrom('browser_sessions').where('user_id', '=', userId).execute();
    this.#revocations.publish({ kind: 'user', userId });
  }
}

export function toAccount(row: Selectable<UserRow>): Account {
  return {
    id: row.id,
    name: row.name,
    displayName: row.display_name,
    roles: rolesOf(row.roles),
    source: row.source,
    subject: row.subject,
    password: row.password,
    totpSecret: row.totp_secret,
    isDisabled: row.disabled !== 0,
    version: row.version,
    createdAt: row.created_at,
  };
}

/** `local`, `oidc` or `ldap`, for people. */
export function sourceKind(source: string): 'local' | 'oidc' | 'ldap' {
  if (source === 'ldap') return 'ldap';
  return source.startsWith('oidc:') ? 'oidc' : 'local';
}

function rolesOf(json: string): Role[] {
  const known: readonly string[] = ROLES;
  return (JSON.parse(json) as string[]).filter((role): role is Role => known.includes(role));
}

export function desktopRightsOf(json: string): DesktopRight[] {
  const known: readonly string[] = DESKTOP_RIGHTS;
  return (JSON.parse(json) as string[]).filter((right): right is DesktopRight => known.includes(right));
}
