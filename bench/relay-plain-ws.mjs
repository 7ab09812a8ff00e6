// A peer: the relay that everybody writes first, with the `ws` package.
import http from 'node:http';
import { connect } from 'node:net';
import { WebSocketServer } from 'ws';

const [vm] = process.argv.slice(2);
const server = http.createServer();
new WebSocketServer({ server, perMessageDeflate: false }).on('connection', (ws) => {
  const socket = connect({ path: vm });
  ws.on('message', (data) => socket.write(data));
  socket.on('data', (data) => ws.send(data));
  ws.on('error', () => {});
  socket.on('error', () => {});
  ws.on('close', () => socket.destroy());
  socket.on('close', () => ws.close());
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log(`port ${server.address().port}`));
process.stdin.resume().on('end', () => process.exit(0));
