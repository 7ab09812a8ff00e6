/** Waiting in tests by the gateway's own live events and consoles, never by sleeping. */
import { existsSync, readdirSync, readFileSync, watch } from 'node:fs';
import path from 'node:path';
import WebSocket from 'ws';
import type { Client } from '../../gateway/api/client.ts';
import { getSession, SESSION_TOPICS } from '../../gateway/api/session.ts';
import { createTicket, SESSION_PROTOCOL, ticketProtocol } from '../../gateway/api/ticket.ts';
import { getVm, listVms, type Vm } from '../../gateway/api/vm.ts';
import type { TestGateway } from './gateway.ts';

const WAIT_MS = 40_000;

export interface Person {
  readonly gateway: Pick<TestGateway, 'origin'>;
  readonly client: Client;
  readonly cookie: string;
}

/** Follows a topic; `check` is asked at the start, when listening has begun, and after each event, until it gives something. */
async function follow<T>(
  person: Person,
  topic: string,
  check: (event: LiveEvent | undefined) => Promise<T | undefined> | T | undefined,
): Promise<T | undefined> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), WAIT_MS);
  try {
    const headers = { cookie: person.cookie, accept: 'text/event-stream' };
    const stream = await fetch(`${person.gateway.origin}/api/v1/events?topics=${topic}`, {
      headers,
      signal: abort.signal,
    });
    const first = await check(undefined);
    if (first !== undefined) return first;
    for await (const line of linesOf(stream)) {
      const found = line.startsWith('data:') ? await check(JSON.parse(line.slice(5)) as LiveEvent) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  } catch (error) {
    if (abort.signal.aborted) return undefined;
    throw error;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

interface LiveEvent {
  readonly kind: string;
  readonly id: string;
  readonly data?: unknown;
}

/** Resolves with the VM once it is so. Listens first and looks then, so that no change is missed. */
export async function untilVm(person: Person, vmId: string, isSo: (vm: Vm) => boolean): Promise<Vm> {
  let last: Vm | undefined;
  const found = await follow(person, 'vm', async (event) => {
    if (event === undefined) last = await person.client.call(getVm, { params: { vmId } });
    else if (event.kind === 'changed' && event.id === vmId) last = event.data as Vm;
    return last !== undefined && isSo(last) ? last : undefined;
  });
  if (found === undefined) throw new Error(`VM ${vmId} did not get there: ${JSON.stringify(last)}`);
  return found;
}

export const untilState = (person: Person, vmId: string, ...states: Vm['state'][]): Promise<Vm> =>
  untilVm(person, vmId, (vm) => states.includes(vm.state));

/** Resolves when the events say that the VM is gone. */
export async function untilGone(person: Person, vmId: string): Promise<void> {
  const isGone = await follow(person, 'vm', async (event) => {
    if (event !== undefined) return event.kind === 'removed' && event.id === vmId ? true : undefined;
    const { items } = await person.client.call(listVms, {});
    return items.some((vm) => vm.id === vmId) ? undefined : true;
  });
  if (isGone !== true) throw new Error(`VM ${vmId} is still there`);
}

async function* linesOf(stream: Response): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of stream.body ?? []) {
    const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** A serial console through the gateway, as the terminal page opens it. */
export interface Console {
  /** Resolves with the match once what came in has it. */
  says(pattern: RegExp): Promise<RegExpExecArray>;
  type(text: string): void;
  text(): string;
  close(): void;
}

export async function openConsole(person: Person, desktopId: string): Promise<Console> {
  const { ticket, socketPath, sessionId } = await person.client.call(createTicket, {
    params: { desktopId },
    body: { kind: 'serial', mode: 'control' },
  });
  const { origin } = person.gateway;
  const headers = { cookie: person.cookie };
  const protocols = [SESSION_PROTOCOL, ticketProtocol(ticket)];
  const socket = new WebSocket(origin.replace(/^http/, 'ws') + socketPath, protocols, { origin, headers });
  let text = '';
  socket.on('close', (code, reason) => (text += `[closed: ${code} ${reason.toString()}]`));
  socket.on('message', (data: Buffer) => (text += data.toString('latin1')));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
  // What is typed before the VM's port is connected reaches nobody.
  const isLive = await follow(person, SESSION_TOPICS.all, async (event) => {
    if (event !== undefined && event.id !== sessionId) return undefined;
    const session = await person.client.call(getSession, { params: { sessionId } });
    return session.state === 'live' ? true : undefined;
  });
  if (isLive !== true) throw new Error(`the console of ${desktopId} does not come: ${text}`);
  return {
    says: (pattern) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(() => done(() => reject(new Error(`no ${pattern} in: ${text}`))), WAIT_MS);
        const look = (): void => {
          const found = pattern.exec(text);
          if (found !== null) done(() => resolve(found));
        };
        const done = (outcome: () => void): void => {
          clearTimeout(timer);
          socket.off('message', look);
          outcome();
        };
        socket.on('message', look);
        look();
      }),
    type: (typed) => socket.send(Buffer.from(typed, 'latin1')),
    text: () => text,
    close: () => socket.close(),
  };
}

/**
 * Resolves once the guest has said so on its serial port, whether or not a console was open then: QEMU keeps a log of it in
 * the VM's run folder.
 */
export async function untilSerial(dataDir: string, vmId: string, pattern: RegExp): Promise<RegExpExecArray> {
  const run = path.join(dataDir, 'run');
  const folder =
    readdirSync(run)
      .map((name) => path.join(run, name, vmId))
      .find((one) => existsSync(one)) ?? '';
  const file = path.join(folder, 'serial.log');
  const look = (): RegExpExecArray | null => (existsSync(file) ? pattern.exec(readFileSync(file, 'latin1')) : null);
  return await new Promise((resolve, reject) => {
    const watcher = watch(folder, () => check());
    const timer = setTimeout(() => {
      watcher.close();
      reject(
        new Error(`no ${pattern} in ${file}: ${existsSync(file) ? readFileSync(file, 'latin1') : 'no such file'}`),
      );
    }, WAIT_MS);
    const check = (): void => {
      const found = look();
      if (found === null) return;
      clearTimeout(timer);
      watcher.close();
      resolve(found);
    };
    check();
  });
}
