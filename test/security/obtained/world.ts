/**
 * A gateway with somebody of every kind and something of every kind, for the table of what each caller obtains: three VMs on
 * a fake host, of which `A` and `C` are assigned to people with one right each, and `B` to somebody else.
 */
import { getMe } from '../../../gateway/api/auth.ts';
import { createCheckpoint } from '../../../gateway/api/checkpoint.ts';
import { type Client, createClient } from '../../../gateway/api/client.ts';
import { createDisk } from '../../../gateway/api/disk.ts';
import { createHost } from '../../../gateway/api/host.ts';
import { addMember, createAssignment, createGroup, createUser, linkUser } from '../../../gateway/api/people.ts';
import { setGroupPolicy } from '../../../gateway/api/policy.ts';
import { DESKTOP_RIGHTS, type DesktopRight, RIGHTS, type Right, type Role } from '../../../gateway/api/rights.ts';
import { listTasks } from '../../../gateway/api/task.ts';
import { createVm, type Vm } from '../../../gateway/api/vm.ts';
import { fetchWith, startGateway, type TestGateway } from '../../support/gateway.ts';
import { openConsole, untilState } from '../../support/live.ts';
import type { Caller } from '../route-table.ts';
import type { Listed } from './said.ts';

/** A caller as the table lists it; `account`: whose things are their own. */
export type TableCaller = Caller & Listed & { readonly account?: string };

export interface World {
  readonly gateway: TestGateway;
  readonly admin: Client;
  readonly callers: readonly TableCaller[];
  /** Ids by the name of a path parameter; a call may take others. */
  readonly ids: Readonly<Record<string, string>>;
  /** Ids of things, and what the table calls them. */
  readonly names: ReadonlyMap<string, string>;
  /** Whose things stand in `ids`. */
  readonly owner: TableCaller;
  readonly manager: TableCaller;
  /** Somebody who has a desktop of their own. */
  readonly other: TableCaller;
  readonly signIn: (userId: string) => Promise<Record<string, string>>;
  readonly get: (headers: Readonly<Record<string, string>>, path: string) => Promise<unknown>;
  readonly as: (caller: Caller, method: 'post' | 'put' | 'delete', path: string, body?: object) => Promise<Reply>;
  close(): Promise<void>;
}
export type Reply = Readonly<Record<string, unknown>>;

/** A request as it is sent: no client of ours checks what comes back. */
export function asked(
  origin: string,
  headers: Readonly<Record<string, string>>,
  method: string,
  path: string,
  body?: object,
): Promise<Response> {
  const json = body === undefined ? {} : { 'content-type': 'application/json' };
  return fetch(`${origin}/api/v1${path}`, {
    method: method.toUpperCase(),
    headers: { ...headers, ...json },
    redirect: 'manual',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

type Person = TableCaller & { readonly id: string };

export async function makeWorld(): Promise<World> {
  const gateway = await startGateway({ env: { ORIEL_FAKE_HOSTS: '1' } });
  const { client: admin, cookie } = await gateway.signIn();
  const { origin } = gateway;
  const names = new Map<string, string>();

  const signIn = async (userId: string): Promise<Record<string, string>> => {
    // By a link: a password costs a tenth of a second of hashing each time.
    const { url } = await admin.call(linkUser, { params: { userId } });
    const body = { link: url.split('#link=')[1] };
    const answer = await asked(origin, { origin, 'user-agent': 'a browser' }, 'post', '/sign-in/link', body);
    return { cookie: answer.headers.getSetCookie()[0]?.split(';')[0] ?? '', origin };
  };
  const as: World['as'] = async (caller, method, path, body) =>
    (await (await asked(origin, caller.headers, method, path, body)).json().catch(() => ({}))) as Reply;

  const get: World['get'] = async (headers, path) => (await asked(origin, headers, 'get', path)).json();

  const host = await admin.call(createHost, { body: { name: 'fleet', kind: 'fake' } });
  names.set(host.id, 'the fake host');
  const vm = (name: string): Promise<Vm> =>
    admin.call(createVm, {
      body: {
        name,
        description: `about ${name}`,
        hostId: host.id,
        source: { from: 'template', templateId: 'toy' },
        hardware: { memoryMiB: 64 },
        wanted: 'running',
      },
    });
  const vms = { A: await vm('alpha'), B: await vm('beta'), C: await vm('gamma') };
  for (const [name, { id }] of Object.entries(vms)) names.set(id, name);
  for (const { id } of Object.values(vms)) await untilState({ gateway, client: admin, cookie }, id, 'running');

  const person = async (name: string, role: Role, label: string): Promise<Person> => {
    const user = await admin.call(createUser, { body: { name, roles: [role] } });
    names.set(user.id, `the account ${label}`);
    return { id: user.id, name: label, account: user.id, roles: [role], headers: await signIn(user.id) };
  };
  const assign = (desktopId: string, rights: DesktopRight[], to: { userId: string } | { groupId: string }) =>
    admin.call(createAssignment, { body: { desktopId, rights, ...to } });

  const assigned: Person[] = [];
  for (const right of DESKTOP_RIGHTS) {
    const one = await person(`${right}-only`, 'user', `${right} on A and C`);
    for (const { id } of [vms.A, vms.C]) await assign(id, [right], { userId: one.id });
    assigned.push({
      ...one,
      family: 'on A and C:',
      short: right,
      desktops: { [vms.A.id]: [right], [vms.C.id]: [right] },
    });
  }
  const group = await admin.call(createGroup, { body: { name: 'lookers' } });
  names.set(group.id, 'the group');
  await assign(vms.A.id, ['view'], { groupId: group.id });
  // What its people may do is less than elsewhere.
  const rules = { clipboard: 'off' as const };
  await admin.call(setGroupPolicy, { params: { groupId: group.id }, body: { rules } });
  const grouped = await person('grouped', 'user', 'view on A by a group');
  await admin.call(addMember, { params: { groupId: group.id, userId: grouped.id } });
  const other = { ...(await person('other', 'user', 'open on B')), desktops: { [vms.B.id]: ['open' as const] } };
  await assign(vms.B.id, ['open'], { userId: other.id });
  // Somebody to do things to: more than a token for people alone may do.
  const dummy = await person('dummy', 'user', 'dummy, manage on A');
  const given = await assign(vms.A.id, ['manage'], { userId: dummy.id });
  const plain = await person('plain', 'user', 'plain');

  const opener: Person = { ...named(assigned, 'open on A and C'), owns: ['session', 'token', 'browser-session'] };
  const manager: Person = { ...named(assigned, 'manage on A and C'), owns: ['task'] };
  const tokenOf = async (whose: string, caller: TableCaller, scope: Right): Promise<TableCaller> => {
    const made = await as(caller, 'post', '/me/tokens', { name: `scope ${scope}`, scopes: [scope] });
    const { roles, desktops, account } = caller;
    return {
      name: `${whose}'s token ${scope}`,
      family: `${whose}'s tokens:`,
      short: scope,
      headers: { authorization: `Bearer ${String(made['token'])}` },
      roles,
      scopes: [scope],
      ...(account === undefined ? {} : { account }),
      ...(desktops === undefined ? {} : { desktops }),
    };
  };
  const session = await openConsole(personOf(gateway, opener), vms.A.id);
  const sessions = (await get(opener.headers, '/sessions')) as { items: { id: string }[] };
  const sessionId = sessions.items[0]?.id ?? '';
  names.set(sessionId, "the opener's session");
  await createClientAs(gateway, manager).call(createCheckpoint, {
    params: { vmId: vms.A.id },
    body: { name: 'before lunch' },
  });
  const tasks = await createClientAs(gateway, manager).call(listTasks, { query: {} });
  const taskId = tasks.items[0]?.id ?? '';
  names.set(taskId, "the manager's task");
  const mine = (await as(opener, 'post', '/me/tokens', { name: 'mine', scopes: ['see'] })) as { id: string };
  const disk = await admin.call(createDisk, { body: { name: 'free', source: { from: 'blank', sizeBytes: 1 << 20 } } });
  names.set(disk.id, 'a free disk');

  const me = await admin.call(getMe, {});
  names.set(me.id, 'the account admin');
  const adminCaller: TableCaller = { name: 'admin', account: me.id, headers: { cookie, origin }, roles: ['admin'] };
  const callers: TableCaller[] = [
    { name: 'nobody', headers: { origin }, roles: undefined },
    other,
    ...assigned.map((one) => [opener, manager].find(({ id }) => id === one.id) ?? one),
    { ...grouped, desktops: { [vms.A.id]: ['view'] } },
    await person('operator', 'operator', 'operator'),
    await person('backup', 'backup', 'role backup'),
    adminCaller,
  ];
  for (const right of RIGHTS) callers.push(await tokenOf('admin', adminCaller, right));
  for (const scope of ['see', 'view', 'backup'] as const) callers.push(await tokenOf('opener', opener, scope));
  callers.push({ ...(await tokenOf('opener', opener, 'open')), owns: ['session'] });
  callers.push(await tokenOf('manager', manager, 'backup'));

  return {
    gateway,
    admin,
    callers,
    owner: opener,
    manager,
    other,
    names,
    signIn,
    get,
    as,
    ids: {
      desktopId: vms.A.id,
      vmId: vms.A.id,
      otherVmId: vms.B.id,
      verbVmId: vms.C.id,
      sessionId,
      taskId,
      tokenId: mine.id,
      userId: dummy.id,
      plainId: plain.id,
      ownerId: opener.id,
      groupId: group.id,
      assignmentId: given.id,
      hostId: host.id,
      storageId: 'main',
      diskId: disk.id,
    },
    close: async () => {
      session.close();
      await gateway.stop();
    },
  };
}

export function named<One extends Caller>(callers: readonly One[], name: string): One {
  const found = callers.find((caller) => caller.name === name);
  if (found === undefined) throw new Error(`nobody is called ${name}`);
  return found;
}

function createClientAs(gateway: TestGateway, { headers }: Caller): Client {
  return createClient(gateway.origin, { fetch: fetchWith(headers) });
}

function personOf(gateway: TestGateway, caller: Caller): Parameters<typeof openConsole>[0] {
  return { gateway, client: createClientAs(gateway, caller), cookie: caller.headers['cookie'] ?? '' };
}
