/** What each caller obtains over connections that stay: live events, and a session's socket with somebody else's ticket. */
import WebSocket from 'ws';
import { editHost } from '../../../gateway/api/host.ts';
import { editGroup } from '../../../gateway/api/people.ts';
import { sendMessage } from '../../../gateway/api/session.ts';
import { SESSION_PROTOCOL, ticketProtocol } from '../../../gateway/api/ticket.ts';
import { editVm } from '../../../gateway/api/vm.ts';
import type { Caller } from '../route-table.ts';
import { running } from './calls.ts';
import { type Said, thingsIn } from './said.ts';
import type { World } from './world.ts';

const QUIET_MS = 150;

/** Makes one event of each kind, about things of several people, and gives who was told of which. */
export async function heard(world: World): Promise<Map<string, Said>> {
  const { admin, ids, callers } = world;
  const cursor = await cursorNow(world);
  for (const key of ['vmId', 'otherVmId']) {
    const params = { vmId: ids[key] ?? '' };
    await admin.call(editVm, { params, body: { description: 'another' } });
  }
  await admin.call(editHost, { params: { hostId: ids['hostId'] ?? '' }, body: { name: 'fleet' } });
  await admin.call(editGroup, { params: { groupId: ids['groupId'] ?? '' }, body: { name: 'lookers' } });
  await admin.call(sendMessage, { params: { sessionId: ids['sessionId'] ?? '' }, body: { text: 'hello' } });
  await world.as(world.manager, 'post', `/vms/${ids['vmId']}/checkpoints`, { name: 'told of' });
  await world.as(world.other, 'post', `/desktops/${ids['otherVmId']}/tickets`, { mode: 'view' });
  await world.as(world.owner, 'post', `/desktops/${ids['verbVmId']}/tickets`, { mode: 'view' });
  const all = await Promise.all(
    callers.map(async (caller) => [caller.name, await told(world, caller, cursor)] as const),
  );
  return new Map(all);
}

async function cursorNow(world: World): Promise<string> {
  const text = await read(world, world.callers.at(-1), '');
  return /^id: (\S+)\nevent: hello/m.exec(text)?.[1] ?? '';
}

async function told(world: World, caller: Caller, cursor: string): Promise<Said> {
  const text = await read(world, caller, `?after=${cursor}`);
  if (!text.startsWith('id:') && !text.startsWith('event:') && text !== '') return { kind: 'refused', how: text };
  const events = [...text.matchAll(/^data: (\{"topic".*\})$/gm)].map(([, json = '']) => json);
  const fields = events.flatMap((json) => {
    const { topic, kind, id } = JSON.parse(json) as { topic: string; kind: string; id: string };
    const [general = ''] = topic.split(':');
    const about = world.names.get(id) ?? (general === 'session' ? whose(world, json) : undefined);
    return [`${topic === general ? general : `${general}:id`}/${kind}${about === undefined ? '' : `(${about})`}`];
  });
  return { kind: 'obtained', fields: [...new Set(fields)], things: [] };
}

const whose = (world: World, json: string): string | undefined =>
  thingsIn(json, new Map([...world.names].filter(([, name]) => name.startsWith('the account')))).join(' + ') ||
  undefined;

/** What a stream says until it has nothing more to say for a moment. */
async function read(world: World, caller: Caller | undefined, query: string): Promise<string> {
  const stop = new AbortController();
  const url = `${world.gateway.origin}/api/v1/events${query}`;
  const answer = await fetch(url, { headers: caller?.headers ?? {}, signal: stop.signal });
  if (!answer.ok) {
    stop.abort();
    return `refused (${answer.status})`;
  }
  let text = '';
  let quiet: NodeJS.Timeout | undefined;
  try {
    quiet = setTimeout(() => stop.abort(), 4 * QUIET_MS);
    for await (const chunk of answer.body ?? []) {
      text += Buffer.from(chunk as Uint8Array).toString();
      clearTimeout(quiet);
      quiet = setTimeout(() => stop.abort(), QUIET_MS);
    }
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    clearTimeout(quiet);
  }
  return text;
}

/** Somebody of each kind. */
const BEARERS = new Set([
  'nobody',
  'open on B',
  'view on A and C',
  'open on A and C',
  'operator',
  'admin',
  "admin's token open",
  "opener's token view",
  "opener's token open",
]);

/** Each with a ticket that the opener's browser, or the opener's API token, asked for. */
export async function admitted(world: World, asker: Caller): Promise<Map<string, Said>> {
  const outcomes = new Map<string, Said>();
  await running(world);
  for (const caller of world.callers.filter(({ name }) => BEARERS.has(name))) {
    const made = await world.as(asker, 'post', `/desktops/${world.ids['verbVmId']}/tickets`, { kind: 'serial' });
    const code = await opened(world, caller, String(made['ticket']));
    const isIn = code === undefined;
    outcomes.set(
      caller.name,
      isIn ? { kind: 'obtained', fields: ['a session'], things: [] } : { kind: 'refused', how: `refused (${code})` },
    );
    await world.as(asker, 'delete', `/sessions/${String(made['sessionId'])}`);
  }
  return outcomes;
}

/** The close code; undefined where the socket stays open until something is said or a moment has passed. */
async function opened({ gateway }: World, { headers }: Caller, ticket: string): Promise<number | undefined> {
  const protocols = [SESSION_PROTOCOL, ticketProtocol(ticket)];
  const { origin } = gateway;
  const socket = new WebSocket(`${origin.replace('http', 'ws')}/ws/session`, protocols, { headers: { ...headers } });
  const code = await new Promise<number | undefined>((resolve) => {
    socket.once('close', resolve);
    socket.once('error', () => resolve(0));
    socket.once('message', () => resolve(undefined));
    socket.once('open', () => setTimeout(() => resolve(undefined), QUIET_MS));
  });
  socket.terminate();
  return code;
}
