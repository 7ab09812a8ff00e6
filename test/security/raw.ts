/** Requests as an attacker writes them: bytes on a socket, with none of the help of an HTTP client. */
import { connect, type Socket } from 'node:net';
import type { TestGateway } from '../../gateway/src/edge/testing/gateway.ts';
import type { UpgradeHandler } from '../../gateway/src/platform/api/bind.ts';

export interface RawAnswer {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A gateway in this process, or one that is known by its address. */
export type Target = TestGateway | { readonly origin: string };

export function dial(gateway: Target): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(gateway.origin).port), '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
  });
}

/** Sends the bytes and reads until the server closes or the head (and what came with it) is there. */
export async function raw(
  gateway: Target,
  bytes: string | Buffer,
  until: 'close' | 'head' = 'close',
): Promise<RawAnswer> {
  const socket = await dial(gateway);
  socket.write(bytes);
  return answerOf(socket, until);
}

export function answerOf(socket: Socket, until: 'close' | 'head' = 'close'): Promise<RawAnswer> {
  return new Promise((resolve) => {
    let text = '';
    const done = (): void => {
      socket.destroy();
      const [head = '', body = ''] = text.split('\r\n\r\n');
      resolve({ status: Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0), head, body });
    };
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (until === 'head' && text.includes('\r\n\r\n')) done();
    });
    socket.once('close', done);
    socket.once('error', done);
  });
}

export function upgradeHead(path: string, headers: Readonly<Record<string, string>>): string {
  const all = {
    Host: '127.0.0.1',
    Upgrade: 'websocket',
    Connection: 'Upgrade',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    ...headers,
  };
  return `GET ${path} HTTP/1.1\r\n${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`;
}

/** A socket of ours that says who it took the caller for, and nothing more. */
export const echoPrincipal: UpgradeHandler = {
  path: '/ws/who',
  handle: ({ socket, principal, origin }) => {
    socket.end(
      `HTTP/1.1 101 Switching Protocols\r\nX-Who: ${principal?.name ?? 'nobody'}\r\nX-Origin: ${origin}\r\n\r\n`,
    );
  },
};
