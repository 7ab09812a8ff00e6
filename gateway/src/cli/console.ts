/** The serial console of a VM in this terminal: a ticket, a WebSocket, and a terminal in raw mode. Ctrl-] leaves. */
import type { ReadStream } from 'node:tty';
import WebSocket from 'ws';
import type { Client } from '../../shared/client.ts';
import { createTicket, SESSION_PROTOCOL, ticketProtocol } from '../../shared/ticket.ts';
import { accessFor, type Cli, type GlobalOptions } from './context.ts';
import { CliError, EXIT } from './exit.ts';

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
  const { ticket, socketPath } = await client.call(createTicket, { params: { desktopId }, body });
  const url = `${access.url.replace(/^http/, 'ws')}${socketPath}`;
  const socket = new WebSocket(url, [SESSION_PROTOCOL, ticketProtocol(ticket)], {
    ...(access.ca === undefined ? {} : { ca: access.ca }),
    perMessageDeflate: false,
  });
  await relayTerminal(cli, socket);
}

/** Ends when the person leaves, when what is piped in ends, or when the gateway closes. */
async function relayTerminal(cli: Cli, socket: WebSocket): Promise<void> {
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
    socket.on('open', () => {
      cli.terminal.err('connected; Ctrl-] leaves\r\n');
      if (isTerminal) input.setRawMode(true);
      input.on('data', onInput);
      input.resume();
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
