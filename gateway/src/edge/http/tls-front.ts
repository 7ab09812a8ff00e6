/**
 * A TLS front: a process that gets accepted TCP connections from the gateway, ends TLS on them, and passes the bytes to and
 * from a unix socket of the gateway. It looks at none of them: all rules are the gateway's.
 */
import { connect, type Socket } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import type { FromFront, ToFront } from './tls-front-messages.ts';

type Settings = Extract<ToFront, { kind: 'settings' }>;

let settings: Settings | undefined;
let server: Server | undefined;
/** Tokens of connections in their handshake, by the four numbers of TCP: the server gives us another socket than we gave it. */
const tokens = new Map<string, string>();

function tell(message: FromFront): void {
  process.send?.(message, undefined, undefined, () => {});
}

function nameOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return [remoteAddress, remotePort, localAddress, localPort].join(' ');
}

function set(given: Settings): void {
  settings = given;
  const options = {
    ...given.context,
    ticketKeys: Buffer.from(given.ticketKeys, 'base64'),
    sessionIdContext: 'oriel', // Else a hash of this process's arguments.
  };
  if (server === undefined) serve(options, given);
  else server.setSecureContext(options);
}

function serve(options: TlsOptions, given: Settings): void {
  server = createServer({ ...options, ALPNProtocols: ['http/1.1'], handshakeTimeout: given.handshakeTimeoutMs });
  server.on('tlsClientError', (_error, socket) => socket.destroy());
  server.on('secureConnection', (socket) => {
    const token = tokens.get(nameOf(socket));
    if (token === undefined) socket.destroy();
    else join(socket, token, given);
  });
}

function begin(id: number, token: string, raw: Socket): void {
  const name = nameOf(raw);
  tokens.set(name, token);
  raw.on('error', () => {});
  raw.once('close', () => {
    if (tokens.get(name) === token) tokens.delete(name);
    tell({ kind: 'gone', id });
  });
  server?.emit('connection', raw);
}

/** Bytes both ways, each as fast as the other side takes them; what one side has said reaches the other before its end does. */
function join(socket: TLSSocket, token: string, { path, lingerMs }: Settings): void {
  const inner = connect({ path, allowHalfOpen: true });
  inner.write(token);
  socket.allowHalfOpen = true; // Only now: whoever leaves in the handshake is gone at once.
  socket.pipe(inner);
  inner.pipe(socket);
  for (const one of [socket, inner]) one.on('error', () => {}); // 'close' follows.
  socket.once('close', (hadError) => (hadError ? inner.destroy() : inner.destroySoon()));
  inner.once('close', () => {
    // A browser that takes no more must not hold what the gateway has let go of.
    socket.setTimeout(lingerMs, () => socket.destroy());
    socket.destroySoon();
  });
}

process.on('message', (message: ToFront, socket: Socket | undefined) => {
  if (message.kind === 'settings') set(message);
  else if (socket === undefined) tell({ kind: 'gone', id: message.id });
  else begin(message.id, message.token, socket);
});
// Nothing new comes. What was said is still brought to the browsers; with the last of them this process ends by itself.
process.on('disconnect', () => setTimeout(() => process.exit(0), settings?.endMs ?? 0).unref());
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}); // The gateway decides; Ctrl-C reaches us too.
tell({ kind: 'up' });
