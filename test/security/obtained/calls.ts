/**
 * How each route is called for the table of what each caller obtains. A route that is not named here is called once, with
 * ids of the opener's things and, where it takes a body, one that is none: who is let in is told so, and nothing happens.
 */

import { deleteAssignment, editGroup, editUser } from '../../../gateway/api/people.ts';
import { setDesktopPolicy } from '../../../gateway/api/policy.ts';
import { endSession } from '../../../gateway/api/session.ts';
import { editVm, VM_SIZE_LIMITS } from '../../../gateway/api/vm.ts';
import { untilState } from '../../support/live.ts';
import { named, type Reply, type World } from './world.ts';

export interface Call {
  /** What is asked, where a route is called in several ways. */
  readonly as?: string;
  readonly query?: string;
  readonly body?: object;
  /** Ids that stand in the path, in place of the world's. Asked again after each success where it uses something up. */
  readonly ids?: (world: World) => Promise<Readonly<Record<string, string>>> | Readonly<Record<string, string>>;
  readonly isUsedUp?: true;
  /** Undoes what a success did. */
  readonly after?: (world: World, reply: Reply) => Promise<unknown>;
  /** One caller after the other. */
  readonly byTurns?: true;
  /** What comes back is of no interest: it is as `get` shows it, or depends on the moment. */
  readonly isVerb?: true;
}

const C = ({ ids }: World): Record<string, string> => ({
  vmId: ids['verbVmId'] ?? '',
  desktopId: ids['verbVmId'] ?? '',
});
const B = ({ ids }: World): Record<string, string> => ({
  vmId: ids['otherVmId'] ?? '',
  desktopId: ids['otherVmId'] ?? '',
});
const NONE = 'nosuchthing';
const none = (...keys: string[]) => ({ ids: () => Object.fromEntries(keys.map((key) => [key, NONE])) });

/** `C` runs, whatever the call before has made of it. */
export const running = async (world: World): Promise<Record<string, string>> => {
  const { cookie } = named(world.callers, 'admin').headers as { cookie: string };
  const vmId = world.ids['verbVmId'] ?? '';
  await world.as(named(world.callers, 'admin'), 'post', `/vms/${vmId}/start`);
  await untilState({ gateway: world.gateway, client: world.admin, cookie }, vmId, 'running');
  return C(world);
};
const power = (body?: object): Call[] => [{ ids: running, isVerb: true, byTurns: true, ...(body && { body }) }];

/** The ticket's session goes again: a desktop has room for so many. */
const ticket = (as: string, body: object, ids = C): Call => ({
  as,
  body,
  ids,
  byTurns: true,
  after: ({ admin }, reply) => admin.call(endSession, { params: { sessionId: String(reply['sessionId']) } }),
});

const wish = async (world: World, mode = 'view'): Promise<Record<string, string>> => {
  const viewer = named(world.callers, 'view on A and C');
  const asked = await world.as(viewer, 'post', `/sessions/${world.ids['sessionId']}/joins`, { mode });
  return { joinId: String(asked['id']) };
};
const granted = async (world: World): Promise<Record<string, string>> => {
  const { joinId = '' } = await wish(world);
  await world.as(world.owner, 'post', `/sessions/${world.ids['sessionId']}/joins/${joinId}/answer`, { allow: true });
  return { joinId };
};

const assignment = (right: string, to: 'userId' | 'groupId'): Call => ({
  as: `${right} on C, to ${to === 'userId' ? 'an account' : 'a group'}`,
  byTurns: true,
  after: ({ admin }, reply) => admin.call(deleteAssignment, { params: { assignmentId: String(reply['id']) } }),
  body: { desktopId: '{verbVmId}', [to]: to === 'userId' ? '{userId}' : '{groupId}', rights: [right] },
});

const hardware = { vcpus: 1, memoryMiB: 64 };
const edit = (as: string, body: object): Call => ({
  as,
  body,
  ids: C,
  byTurns: true,
  isVerb: true,
  after: ({ admin }, reply) =>
    admin.call(editVm, { params: { vmId: String(reply['id']) }, body: { hardware, sessionRules: {} } }),
});
const clone = { name: 'alpha', hostId: '{hostId}' };

const lay = (as: string, rules: object): Call => ({
  as,
  body: { rules },
  ids: C,
  byTurns: true,
  after: ({ admin, ids }) =>
    admin.call(setDesktopPolicy, { params: { desktopId: ids['verbVmId'] ?? '' }, body: { rules: {} } }),
});

export const CALLS: Readonly<Record<string, readonly Call[]>> = {
  'desktop.get': [{ as: 'A' }, { as: 'B', ids: B }],
  'desktop.policy-set': [
    lay('rules that lift what a group says', { clipboard: 'both' }),
    lay('rules that do not', { canResize: false }),
  ],
  'vm.get': [{ as: 'A' }, { as: 'B', ids: B }],
  'vm.create': [
    { as: 'a clone', body: { ...clone, source: { from: 'template', templateId: 'toy' } } },
    { as: 'on a disk of the library', body: { ...clone, source: { from: 'disk', diskId: '{diskId}' } } },
    { as: 'with a disc of the library', body: { ...clone, source: { from: 'none' }, cdImageId: 'x.iso' } },
    { as: 'large', body: { ...clone, source: { from: 'none' }, hardware: { vcpus: VM_SIZE_LIMITS.vcpus + 1 } } },
  ],
  'vm.edit': [
    edit('its description', { description: 'about gamma' }),
    edit('a disk of the library put in', { disks: [{ diskId: NONE }] }),
    edit('a disc of the library put in', { cdImageId: `${NONE}.iso` }),
    edit('a network of the host', { hardware: { ...hardware, nics: [{ kind: 'bridge', bridge: 'br0' }] } }),
    edit('larger than the limits', { hardware: { ...hardware, vcpus: VM_SIZE_LIMITS.vcpus + 1 } }),
    edit('session rules that lift what a group says', { sessionRules: { clipboard: 'in' } }),
    edit('session rules that do not', { sessionRules: { canResize: false } }),
  ],
  'vm.start': power(),
  'vm.stop': power({ force: true }),
  'vm.pause': power(),
  'vm.resume': power(),
  'vm.save': power(),
  'vm.reset': power(),
  'checkpoint.create': [{ body: { name: 'one more' }, ids: C, byTurns: true }],
  'checkpoint.revert': [none('checkpointId')],
  'checkpoint.delete': [none('checkpointId')],
  'disk.create': [{ body: { name: 'another', source: { from: 'blank', sizeBytes: 1 << 20 } } }],
  'disk.import': [{ body: { name: 'x', file: NONE } }],
  'disk.grow': [{ body: { sizeBytes: 1 << 20 } }],
  'disk.seal': [none('diskId')],
  'disk.revert': [none('diskId')],
  'disk.delete': [none('diskId')],
  'snapshot.create': [{ body: { name: 'then' }, byTurns: true }],
  'snapshot.delete': [none('snapshotId')],
  'host.create': [{ body: { name: 'fleet', kind: 'fake' } }],
  'host.edit': [{ body: { name: 'fleet' } }],
  'host.delete': [none('hostId')],
  'storage.create': [{ body: { id: 'main', name: 'x', socketPath: '/nowhere' } }],
  'storage.edit': [{ body: { name: 'Data folder' } }],
  'storage.sweep': [{ body: { orphans: [{ diskId: NONE }] } }],
  'storage.delete': [none('storageId')],
  'policy.set': [{ body: { rules: {} } }],
  'group.policy-set': [{ body: { rules: { clipboard: 'off' } } }],
  'user.create': [
    { as: 'a plain one', body: { name: 'dummy' } },
    { as: 'an operator', body: { name: 'dummy', roles: ['operator'] } },
    { as: 'an admin', body: { name: 'dummy', roles: ['admin'] } },
  ],
  'user.edit': [
    {
      as: 'a name',
      body: { displayName: 'plain' },
      ids: ({ ids }) => ({ userId: ids['plainId'] ?? '' }),
      byTurns: true,
    },
    {
      as: 'a role',
      body: { roles: ['operator'] },
      ids: ({ ids }) => ({ userId: ids['plainId'] ?? '' }),
      byTurns: true,
      after: ({ admin, ids }) =>
        admin.call(editUser, { params: { userId: ids['plainId'] ?? '' }, body: { roles: ['user'] } }),
    },
    { as: 'the name of who manages A', body: { displayName: 'dummy' }, byTurns: true },
  ],
  'user.link': [
    { as: 'of who manages A', byTurns: true },
    { as: 'of a plain one', ids: ({ ids }) => ({ userId: ids['plainId'] ?? '' }), byTurns: true },
  ],
  'user.delete': [none('userId')],
  'group.create': [{ body: { name: 'lookers' } }],
  'group.edit': [
    {
      as: "tied to a directory's",
      body: { external: 'everybody' },
      byTurns: true,
      after: ({ admin, ids }) =>
        admin.call(editGroup, { params: { groupId: ids['groupId'] ?? '' }, body: { external: null } }),
    },
  ],
  'group.delete': [none('groupId')],
  'group.remove-member': [{ ids: ({ ids }) => ({ userId: ids['plainId'] ?? '' }) }],
  'restore-point.restore': [{ body: { name: 'alpha' }, ...none('repositoryId', 'pointId') }],
  'restore-point.get': [none('repositoryId', 'pointId')],
  'assignment.create': [assignment('see', 'userId'), assignment('manage', 'userId'), assignment('open', 'groupId')],
  'assignment.delete': [none('assignmentId')],
  'ticket.create': [
    ticket('to steer C', { mode: 'control' }),
    ticket('to look at C', { mode: 'view' }),
    ticket('for the console of C', { kind: 'serial', mode: 'control' }),
    ticket('to look at B', { mode: 'view' }, B),
  ],
  'session.end': [
    {
      isUsedUp: true,
      byTurns: true,
      ids: async (world) => {
        const made = await world.as(world.owner, 'post', `/desktops/${world.ids['verbVmId']}/tickets`, {});
        return { sessionId: String(made['sessionId']) };
      },
    },
  ],
  'session.message': [{ body: { text: 'hello' } }],
  'session.control': [{ body: { action: 'take' }, byTurns: true }],
  'join.create': [
    { as: 'to look', body: {} },
    { as: 'to steer', body: { mode: 'control' } },
  ],
  'join.get': [{ ids: (world) => wish(world) }],
  'join.answer': [{ body: { allow: true }, ids: (world) => wish(world), byTurns: true }],
  'join.ticket': [
    {
      ids: granted,
      byTurns: true,
      after: ({ admin }, reply) => admin.call(endSession, { params: { sessionId: String(reply['sessionId']) } }),
    },
  ],
  'token.create': [{ body: { name: 'any', scopes: ['see'] } }],
  'token.delete': [
    {
      isUsedUp: true,
      byTurns: true,
      ids: async ({ as, owner }) => ({
        tokenId: String((await as(owner, 'post', '/me/tokens', { name: 'goes', scopes: ['see'] }))['id']),
      }),
    },
  ],
  'browser-session.end': [
    {
      isUsedUp: true,
      byTurns: true,
      ids: async ({ signIn, ids, get }) => {
        const elsewhere = await signIn(ids['ownerId'] ?? '');
        const list = (await get(elsewhere, '/me/browser-sessions')) as { items: { id: string; isThis: boolean }[] };
        return { browserSessionId: list.items.find(({ isThis }) => isThis)?.id ?? '' };
      },
    },
  ],
  'passkey.delete': [none('passkeyId')],
};

/** Not sent: they end what the next calls stand on, are looked at apart, or are public and the same for everybody. */
export const NOT_SENT: ReadonlySet<string> = new Set(['sign-out', 'event.follow', 'api.description', 'api.page']);
/** Too much to name field by field, and of everybody. */
export const AS_A_WHOLE: ReadonlySet<string> = new Set(['audit.list', 'audit.export']);
