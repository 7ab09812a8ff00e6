import { appendFile, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readLog, trimLog } from '../process/log-trim.ts';
import { SERIAL_LIMITS, SerialHub } from './serial-hub.ts';

let folder: string;
let server: Server;
let guest: Promise<Socket>;
let hub: SerialHub;

beforeEach(async () => {
  folder = await mkdtemp('/tmp/os-');
  server = createServer();
  guest = new Promise((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen({ path: join(folder, 'ser') }, resolve));
  hub = new SerialHub(join(folder, 'ser'), async () => Buffer.from('before\n'));
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const heard = (stream: NodeJS.ReadableStream): { text: string } => {
  const said = { text: '' };
  stream.on('data', (chunk: Buffer) => (said.text += chunk.toString()));
  return said;
};

test('every viewer sees what was said before and what is said now; what one types the guest hears', async () => {
  const [one, two] = await Promise.all([hub.dial({ timeoutMs: 1_000 }), hub.dial({ timeoutMs: 1_000 })]);
  const [first, second] = [heard(one), heard(two)];
  const port = await guest;
  const typed = heard(port);
  port.write('now\n');
  one.write('hello');
  await expect.poll(() => [first.text, second.text, typed.text]).toEqual(['before\nnow\n', 'before\nnow\n', 'hello']);
  one.destroy();
  two.destroy();
  await new Promise((resolve) => port.once('close', resolve)); // The last one out closes the port.
});

test('BOUNDED: a viewer that does not read is dropped, the others stay', async () => {
  const [idle, reader] = await Promise.all([hub.dial({ timeoutMs: 1_000 }), hub.dial({ timeoutMs: 1_000 })]);
  const said = heard(reader);
  const gone = new Promise((resolve) => idle.once('close', resolve));
  const port = await guest;
  const flood = 'x'.repeat(SERIAL_LIMITS.viewerBytes + 65_536);
  port.write(flood);
  await gone;
  await expect.poll(() => said.text.length).toBe(flood.length + 'before\n'.length);
  reader.destroy();
  await new Promise((resolve) => port.once('close', resolve));
});

test('the end of the port is the end of every viewer', async () => {
  const viewer = await hub.dial({ timeoutMs: 1_000 });
  const gone = new Promise((resolve) => viewer.once('close', resolve));
  (await guest).destroy();
  await gone;
});

test('BOUNDED: a log is cut at its limit; its writer goes on and the last bytes can be read across the cut', async () => {
  const log = join(folder, 'log');
  await writeFile(log, 'a'.repeat(100));
  expect(await trimLog(log, 100)).toBe(false);
  await appendFile(log, 'b');
  expect(await trimLog(log, 100)).toBe(true);
  expect((await stat(log)).size).toBe(0);
  await appendFile(log, 'c');
  expect(Buffer.from(await readLog(log, 4)).toString()).toBe('aabc');
});
