/** The serial console of a VM in this terminal: a ticket, a WebSocket, and a terminal in raw mode. Ctrl-] leaves. */
import { createConnection } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ReadStream } from 'node:tty';
import WebSocket from 'ws';
import type { Client } from '../../../api/client.ts';
import { getSession } from '../../../api/session.ts';
import { createTicket, SESSION_PROTOCOL, ticketProtocol } from '../../../api/ticket.ts';
import { accessFor, type Cli, type GlobalOptions } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';

/** Ctrl-], as telnet and virsh have it. */
const LEAVE = 0x1d;

export async function attachConsole(
  cli: Cli,
  options: GlobalOptions,
  client: Client,
  desktopId: string,
): Promise<void> {
  const access = await accessFor(cli, options);
  const body = { kind: 'serial', mode: 'control' } as const;
  const { ticket, socketPath, sessionId } = await client.call(createTicket, { params: { desktopId }, body });
  const own = access.socketPath;
  const url = `${own === undefined ? access.url.replace(/^http/, 'ws') : 'ws://localhost'}${socketPath}`;
  const socket = new WebSocket(url, [SESSION_PROTOCOL, ticketProtocol(ticket)], {
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    ...(own === undefined ? {} : { createConnection: () => createConnection(own) }),
    perMessageDeflate: false,
  });
  await relayTerminal(cli, socket, () => untilLive(client, sessionId));
}

const LIVE = { everyMs: 50, forMs: 10_000 } as const;

/** What is typed before the VM's port is connected reaches nobody, so nothing is read until then. */
async function untilLive(client: Client, sessionId: string): Promise<void> {
  for (let waitedMs = 0; waitedMs < LIVE.forMs; waitedMs += LIVE.everyMs) {
    const { state } = await client.call(getSession, { params: { sessionId } });
    if (state === 'live') return;
    await sleep(LIVE.everyMs);
  }
  throw new CliError('the console does not answer');
}

/** Ends when the person leaves, when what is piped in ends, or when the gateway closes. */
async function relayTerminal(cli: Cli, socket: WebSocket, untilReady: () => Promise<void>): Promise<void> {
  const input = cli.input as ReadStream;
  const isTerminal = input.isTTY === true;
  await new Promise<void>((resolve, reject) => {
    const onInput = (chunk: Buffer): void => {
      const leaveAt = isTerminal ? chunk.indexOf(LEAVE) : -1;
      const typed = leaveAt < 0 ? chunk : chunk.subarray(0, leaveAt);
      if (0 < typed.byteLength && socket.readyState === WebSocket.OPEN) socket.send(typed);
      if (0 <= leaveAt) socket.close(1000);
    };
    const finish = (outcome: () => void): void => {
      input.off('data', onInput);
      if (isTerminal) input.setRawMode(false);
      input.pause();
      outcome();
    };
    const begin = (): void => {
      cli.terminal.err('connected; Ctrl-] leaves\r\n');
      if (isTerminal) input.setRawMode(true);
      input.on('data', onInput);
      input.resume();
    };
    socket.on('open', () => {
      untilReady().then(begin, (error: unknown) => {
        socket.close();
        finish(() => reject(error as Error));
      });
    });
    socket.on('message', (data: Buffer) => cli.terminal.out(data.toString('utf8')));
    socket.on('error', (cause) =>
      finish(() => reject(new CliError(`the console cannot be opened: ${cause.message}`, EXIT.unreachable, { cause }))),
    );
    socket.on('close', (code, reason) =>
      finish(() => {
        cli.terminal.err('\r\n');
        if (code === 1000 || code === 1005) resolve();
        else reject(new CliError(`the console was closed: ${reason.toString() || code}`));
      }),
    );
  });
}
