/**
 * Puts an accepted socket to work. Node gives accepted sockets a fresh 64 KiB buffer per read, which bounds large
 * writes; only sockets that are made with `onread` receive into a buffer of ours. So where it can be done, the handle
 * of the accepted socket moves to a new socket with `onread`. The handle is a private field of Node: where it is not
 * what we expect, and with TLS, the ordinary `data` events serve.
 */
import { type OnReadOpts, type Server, Socket, type SocketConstructorOpts } from 'node:net';
import { Connection, type ConnectionContext } from './connection.ts';

/** Bytes that are received during the handshake. */
const HANDSHAKE_BYTES = 64 << 10;

interface Privates {
  _handle?: { useUserBuffer?: unknown } | null;
  _server?: Server | null;
}

export function acceptConnection(accepted: Socket, context: ConnectionContext): Connection {
  const privates = accepted as unknown as Privates;
  const handle = privates._handle;
  if (context.secure !== undefined || typeof handle?.useUserBuffer !== 'function')
    return acceptPlain(accepted, context);
  privates._handle = null;
  let connection: Connection | undefined;
  const first = Buffer.allocUnsafeSlow(HANDSHAKE_BYTES);
  let landing = first;
  const onread: OnReadOpts = {
    buffer: () => {
      landing = connection?.transmission?.landing() ?? first;
      return landing;
    },
    callback: (count) => {
      const transmission = landing === first ? undefined : connection?.transmission;
      return transmission === undefined
        ? (connection?.feed(first.subarray(0, count)) ?? false)
        : transmission.received(count);
    },
  };
  const socket = new Socket({ handle, onread, allowHalfOpen: true } as SocketConstructorOpts);
  // The server counts its connections by this field when a socket closes.
  (socket as unknown as Privates)._server = privates._server ?? null;
  privates._server = null;
  socket.setNoDelay(true);
  connection = new Connection(socket, context);
  socket.resume();
  return connection;
}

function acceptPlain(socket: Socket, context: ConnectionContext): Connection {
  socket.setNoDelay(true);
  const connection = new Connection(socket, context);
  socket.on('data', (chunk: Buffer) => {
    if (!connection.feed(chunk)) socket.pause();
  });
  socket.resume();
  return connection;
}
