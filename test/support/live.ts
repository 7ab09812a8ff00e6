/** Waiting in tests by the gateway's own live events and consoles, never by sleeping. */
import WebSocket from 'ws';
import type { Client } from '../../gateway/shared/client.ts';
import { createTicket, SESSION_PROTOCOL, ticketProtocol } from '../../gateway/shared/ticket.ts';
import { getVm, type Vm } from '../../gateway/shared/vm.ts';
import type { TestGateway } from './gateway.ts';

const WAIT_MS = 20_000;

export interface Person {
  readonly gateway: Pick<TestGateway, 'origin'>;
  readonly client: Client;
  readonly cookie: string;
}

/** Resolves with the VM once it is so. Listens first and looks then, so that no change is missed. */
export async function untilVm(person: Person, vmId: string, isSo: (vm: Vm) => boolean): Promise<Vm> {
  const { origin } = person.gateway;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), WAIT_MS);
  let last: Vm | undefined;
  try {
    const headers = { cookie: person.cookie, accept: 'text/event-stream' };
    const stream = await fetch(`${origin}/api/v1/events?topics=vm`, { headers, signal: abort.signal });
    last = await person.client.call(getVm, { params: { vmId } });
    if (isSo(last)) return last;
    for await (const vm of vmsIn(stream, vmId)) {
      last = vm;
      if (isSo(vm)) return vm;
    }
    throw new Error('the event stream ended');
  } catch (cause) {
    throw new Error(`VM ${vmId} did not get there: ${JSON.stringify(last)}`, { cause });
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

export const untilState = (person: Person, vmId: string, ...states: Vm['state'][]): Promise<Vm> =>
  untilVm(person, vmId, (vm) => states.includes(vm.state));

/** Resolves when the events say that the VM is gone. */
export async function untilGone(person: Person, vmId: string): Promise<void> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), WAIT_MS);
  try {
    const headers = { cookie: person.cookie, accept: 'text/event-stream' };
    const stream = await fetch(`${person.gateway.origin}/api/v1/events?topics=vm`, { headers, signal: abort.signal });
    const found = await person.client.call(getVm, { params: { vmId } }).catch(() => undefined);
    if (found === undefined) return;
    for await (const line of linesOf(stream)) {
      const event = eventOf(line);
      if (event?.kind === 'removed' && event.id === vmId) return;
    }
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

async function* vmsIn(stream: Response, vmId: string): AsyncGenerator<Vm> {
  for await (const line of linesOf(stream)) {
    const event = eventOf(line);
    if (event?.kind === 'changed' && event.id === vmId) yield event.data as Vm;
  }
}

function eventOf(line: string): { kind: string; id: string; data?: unknown } | undefined {
  return line.startsWith('data:')
    ? (JSON.parse(line.slice(5)) as { kind: string; id: string; data?: unknown })
    : undefined;
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
  const { ticket, socketPath } = await person.client.call(createTicket, {
    params: { desktopId },
    body: { kind: 'serial', mode: 'control' },
  });
  const { origin } = person.gateway;
  const socket = new WebSocket(origin.replace(/^http/, 'ws') + socketPath, [SESSION_PROTOCOL, ticketProtocol(ticket)], {
    origin,
  });
  let text = '';
  socket.on('message', (data: Buffer) => (text += data.toString('latin1')));
  await new Promise<void>((resolve, reject) => {
    socket.once('open', resolve);
    socket.once('error', reject);
  });
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
