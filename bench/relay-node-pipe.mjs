// What Node itself can do: a TCP or TLS connection joined to a unix socket, no WebSocket, nothing looked at, with read
// buffers that are used again. `node relay-node-pipe.mjs VM [KEY CERT]`.
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';

const [vm, key, cert] = process.argv.slice(2);
const BUFFER_BYTES = 262_144;

function join(client) {
  const buffers = [Buffer.allocUnsafeSlow(BUFFER_BYTES), Buffer.allocUnsafeSlow(BUFFER_BYTES)];
  let turn = 0;
  const socket = connect({
    path: vm,
    onread: {
      buffer: () => buffers[(turn ^= 1)],
      callback: (length, bytes) => {
        client.write(bytes.subarray(0, length), () => socket.resume());
        return client.writableLength === 0; // One read at a time on its way.
      },
    },
  });
  client.setNoDelay(true);
  client.on('data', (bytes) => socket.write(bytes));
  for (const [one, other] of [
    [client, socket],
    [socket, client],
  ]) {
    one.on('error', () => {});
    one.on('close', () => other.destroy());
  }
}

const server =
  key === undefined
    ? createServer(join)
    : createTlsServer({ key: readFileSync(key), cert: readFileSync(cert), minVersion: 'TLSv1.3' }, join);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`port ${server.address().port}`));
process.stdin.resume().on('end', () => process.exit(0));
