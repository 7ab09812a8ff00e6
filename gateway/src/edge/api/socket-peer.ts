/**
 * Who is at the other end of a connection. Behind a TLS front (tls-fronts.ts) the socket is a unix socket, and what is true
 * of the browser's own was written down for it when the front showed the token of that connection.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';

export interface SocketPeer {
  readonly address: string | undefined;
  readonly isTls: boolean;
}

const behindFronts = new WeakMap<Socket, SocketPeer>();

export function peerOfSocket(socket: Socket): SocketPeer {
  return behindFronts.get(socket) ?? { address: socket.remoteAddress, isTls: socket instanceof TLSSocket };
}

/** Only for sockets of the internal listener, and only once they have shown a token of ours. */
export function isFrontedFor(socket: Socket, address: string): void {
  behindFronts.set(socket, { address, isTls: true });
}
