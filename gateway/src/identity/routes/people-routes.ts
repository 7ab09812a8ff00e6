/** Users, groups and assignments over the API. */
import {
  type Assignment,
  addMember,
  createAssignment,
  createGroup,
  createUser,
  deleteAssignment,
  deleteGroup,
  deleteUser,
  editGroup,
  editUser,
  type Group,
  getGroup,
  getUser,
  linkUser,
  listAssignments,
  listGroups,
  listUsers,
  removeMember,
  resetSecondFactor,
  type User,
  unlockUser,
} from '../../../api/people.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import { type Principal, reachOn, rightsOfRoles } from '../../platform/rights/rights.ts';
import type { AssignmentRow, GroupRow } from '../../platform/store/tables/auth.ts';
import { iso } from '../../platform/store/time.ts';
import { LINK_LIMITS, linkUrl, makerOf } from '../credentials/one-time-links.ts';
import { type Account, desktopRightsOf, sourceKind } from '../people/accounts.ts';
import { mustHold } from '../people/giving.ts';
import type { Auth } from '../sign-in/auth.ts';
import { acceptedPassword } from '../sign-in/password-sign-in.ts';

export interface PeopleDeps {
  /** Refuses assignments to desktops that are not there. */
  readonly hasDesktop?: (desktopId: string) => Promise<boolean>;
}

export function peopleRoutes(auth: Auth, deps: PeopleDeps): BoundRoute[] {
  return [...userRoutes(auth), ...userCareRoutes(auth), ...groupRoutes(auth), ...assignmentRoutes(auth, deps)];
}

/** Tells the consoles that look at people that something about them is new. */
function changed(auth: Auth, what: 'user' | 'group' | 'assignment', id: string): void {
  auth.events.publish('people', { kind: `${what}-changed`, id }, { right: 'people' });
}

function userRoutes(auth: Auth): BoundRoute[] {
  const { accounts } = auth;
  return [
    bind(listUsers, async ({ query }) => {
      const { limit, cursor, ...filter } = query;
      const found = await accounts.list(filter, limit + 1, afterOf(cursor));
      return pageFrom(await usersToApi(auth, found), limit, (user) => user.name);
    }),
    bind(createUser, async ({ principal, body, note, etag }) => {
      mustHold(principal, { everywhere: rightsOfRoles(body.roles), onDesktop: new Map() }, 'this account would get');
      const password = body.password === undefined ? null : await acceptedPassword(auth, body.password, body.name);
      const account = await accounts.create({ ...body, password });
      note({ target: account.id, name: account.name, roles: account.roles });
      etag(account.version);
      changed(auth, 'user', account.id);
      return userToApi(auth, account);
    }),
    bind(getUser, async ({ params, etag }) => {
      const account = await accounts.get(params.userId);
      etag(account.version);
      return userToApi(auth, account);
    }),
    bind(editUser, async ({ principal, params, body, ifMatch, etag, note }) => {
      const before = await accounts.get(params.userId);
      await mustOutrank(auth, principal, before.id);
      mustHold(principal, { everywhere: rightsOfRoles(body.roles ?? []), onDesktop: new Map() }, 'this would give');
      ifMatch(before.version);
      const account = await accounts.edit(before.id, before.version, body);
      note({ name: account.name, ...body });
      changed(auth, 'user', account.id);
      etag(account.version);
      return userToApi(auth, account);
    }),
    bind(deleteUser, async ({ principal, params, ifMatch, note }) => {
      const account = await accounts.get(params.userId);
      await mustOutrank(auth, principal, account.id);
      ifMatch(account.version);
      await accounts.remove(account.id);
      changed(auth, 'user', account.id);
      note({ name: account.name });
    }),
  ];
}

/** What helps a person who cannot get in, or lets one go. */
function userCareRoutes(auth: Auth): BoundRoute[] {
  const { accounts } = auth;
  return [
    bind(linkUser, async ({ principal, params, note }) => {
      const account = await accounts.get(params.userId);
      await mustOutrank(auth, principal, account.id);
      if (account.source !== 'local')
        throw new GatewayError('CONFLICT', `${account.name} signs in at ${sourceKind(account.source)}`);
      if (account.isDisabled) throw new GatewayError('CONFLICT', `${account.name} is disabled`);
      const { token, expiresAt } = await auth.links.create(account.id, LINK_LIMITS.lifeMs, makerOf(principal));
      note({ name: account.name });
      return { url: linkUrl(auth.publicOrigin, token), expiresAt: iso(expiresAt) };
    }),
    bind(unlockUser, async ({ principal, params, note }) => {
      const account = await accounts.get(params.userId);
      await mustOutrank(auth, principal, account.id);
      await auth.lockout.clear(account.name);
      changed(auth, 'user', account.id);
      note({ name: account.name });
    }),
    bind(resetSecondFactor, async ({ principal, params, note }) => {
      const account = await accounts.get(params.userId);
      await mustOutrank(auth, principal, account.id);
      await auth.totp.stop(account.id);
      for (const passkey of await auth.passkeys.list(account.id)) await auth.passkeys.remove(account.id, passkey.id);
      await auth.endCredentials(account.id, undefined);
      note({ name: account.name });
    }),
  ];
}

function groupRoutes(auth: Auth): BoundRoute[] {
  const { groups } = auth;
  return [
    bind(listGroups, async ({ query }) => {
      const found = await groups.list(query.search, query.limit + 1, afterOf(query.cursor));
      return pageFrom(await groupsToApi(auth, found), query.limit, (group) => group.name);
    }),
    bind(createGroup, async ({ body, note, etag }) => {
      const row = await groups.create(body.name, body.external);
      note({ target: row.id, name: row.name });
      changed(auth, 'group', row.id);
      etag(row.version);
      return groupToApi(auth, row);
    }),
    bind(getGroup, async ({ params, etag }) => {
      const row = await groups.get(params.groupId);
      etag(row.version);
      return groupToApi(auth, row);
    }),
    bind(editGroup, async ({ principal, params, body, ifMatch, etag, note }) => {
      const before = await groups.get(params.groupId);
      // Tied to a directory's group, it gives what it has to people whom nobody here has looked at.
      if (body.external !== undefined && body.external !== before.external) {
        mustHold(principal, await groups.reachOf(before.id), 'this group gives');
        await mustRule(auth, principal, before.id);
      }
      ifMatch(before.version);
      const row = await groups.edit(before.id, before.version, body);
      note({ ...body });
      changed(auth, 'group', row.id);
      etag(row.version);
      return groupToApi(auth, row);
    }),
    bind(deleteGroup, async ({ principal, params }) => {
      await mustRule(auth, principal, params.groupId);
      await groups.remove(params.groupId);
      changed(auth, 'group', params.groupId);
    }),
    bind(addMember, async ({ principal, params }) => {
      await groups.get(params.groupId);
      mustHold(principal, await groups.reachOf(params.groupId), 'this group gives');
      await mustRule(auth, principal, params.groupId);
      await auth.accounts.get(params.userId);
      await groups.addMember(params.groupId, params.userId);
      changed(auth, 'group', params.groupId);
    }),
    bind(removeMember, async ({ principal, params }) => {
      await groups.get(params.groupId);
      await mustRule(auth, principal, params.groupId);
      await groups.removeMember(params.groupId, params.userId);
      changed(auth, 'group', params.groupId);
    }),
  ];
}

/** Whose group has rules for sessions changes what they may do there by coming and going: that takes who lays rules down. */
async function mustRule(auth: Auth, principal: Principal, groupId: string): Promise<void> {
  if (!(await auth.groups.hasRules(groupId))) return;
  mustHold(
    principal,
    { everywhere: new Set(['settings']), onDesktop: new Map() },
    'the session rules of this group take',
  );
}

function assignmentRoutes(auth: Auth, deps: PeopleDeps): BoundRoute[] {
  const { assignments } = auth;
  return [
    bind(listAssignments, async ({ query }) => {
      const { limit, cursor, ...filter } = query;
      const found = await assignments.list(filter, limit + 1, afterOf(cursor));
      return pageFrom(found.map(assignmentToApi), limit, (assignment) => assignment.id);
    }),
    bind(createAssignment, async ({ principal, body, note }) => {
      mustHold(principal, reachOn(body.desktopId, body.rights), 'this would give');
      if (deps.hasDesktop !== undefined && !(await deps.hasDesktop(body.desktopId))) {
        throw new GatewayError('NOT_FOUND', `there is no desktop ${body.desktopId}`);
      }
      if (body.userId !== undefined) await auth.accounts.get(body.userId);
      if (body.groupId !== undefined) await auth.groups.get(body.groupId);
      const to = body.userId === undefined ? { groupId: body.groupId ?? '' } : { userId: body.userId };
      const row = await assignments.create(body.desktopId, to, body.rights);
      note({ target: body.desktopId, ...to, rights: body.rights });
      changed(auth, 'assignment', row.id);
      return assignmentToApi(row);
    }),
    bind(deleteAssignment, async ({ params, note }) => {
      const row = await assignments.remove(params.assignmentId);
      changed(auth, 'assignment', row.id);
      note({ desktopId: row.desktop_id, userId: row.user_id, groupId: row.group_id });
    }),
  ];
}

/** Over whom only somebody has power who may do all that they may. */
async function mustOutrank(auth: Auth, principal: Principal, userId: string): Promise<void> {
  mustHold(principal, await auth.accounts.reachOf(userId), 'this account has');
}

async function userToApi(auth: Auth, account: Account): Promise<User> {
  const [user] = await usersToApi(auth, [account]);
  if (user === undefined) throw new GatewayError('NOT_FOUND', `there is no user ${account.id}`);
  return user;
}

/** With what hangs on them in three questions, however many they are. */
async function usersToApi(auth: Auth, accounts: readonly Account[]): Promise<User[]> {
  const ids = accounts.map((account) => account.id);
  const groups = await auth.groups.ofUsers(ids);
  const passkeys = await auth.passkeys.counts(ids);
  const locked = await auth.lockout.lockedUntil(accounts.map((account) => account.name));
  return accounts.map((account) => {
    const lockedUntil = locked.get(account.name);
    return {
      id: account.id,
      name: account.name,
      displayName: account.displayName,
      roles: [...account.roles],
      groups: groups.get(account.id) ?? [],
      source: sourceKind(account.source),
      isDisabled: account.isDisabled,
      lockedUntil: lockedUntil === undefined ? null : iso(lockedUntil),
      hasPassword: account.password !== null,
      hasTotp: account.totpSecret !== null,
      passkeys: passkeys.get(account.id) ?? 0,
      createdAt: iso(account.createdAt),
    };
  });
}

async function groupToApi(auth: Auth, row: GroupRow): Promise<Group> {
  const [group] = await groupsToApi(auth, [row]);
  if (group === undefined) throw new GatewayError('NOT_FOUND', `there is no group ${row.id}`);
  return group;
}

async function groupsToApi(auth: Auth, rows: readonly GroupRow[]): Promise<Group[]> {
  const counts = await auth.groups.memberCounts(rows.map((row) => row.id));
  return rows.map((row) => ({
    id: row.id,
    name: row.name,
    external: row.external,
    members: counts.get(row.id) ?? 0,
    createdAt: iso(row.created_at),
  }));
}

function assignmentToApi(row: AssignmentRow): Assignment {
  return {
    id: row.id,
    desktopId: row.desktop_id,
    userId: row.user_id,
    groupId: row.group_id,
    rights: desktopRightsOf(row.rights),
    createdAt: iso(row.created_at),
  };
}

/** Our cursors are the key of the last item, wrapped so that nobody takes them for one. */
function afterOf(cursor: string | undefined): string | undefined {
  return cursor === undefined ? undefined : Buffer.from(cursor, 'base64url').toString();
}

/** One more than the limit was fetched: that is how we know whether there is a next page. */
function pageFrom<T>(found: readonly T[], limit: number, keyOf: (item: T) => string): { items: T[]; next?: string } {
  const items = found.slice(0, limit);
  const last = items.at(-1);
  if (found.length <= limit || last === undefined) return { items };
  return { items, next: Buffer.from(keyOf(last)).toString('base64url') };
}
