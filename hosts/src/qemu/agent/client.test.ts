/**
 * The agent's answers are the guest's making: late, half, endless, nonsense or somebody else's. The guest here is a socket.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AGENT_LIMITS, AgentFraming } from './channel.ts';
import { AgentClient } from './client.ts';

let folder: string;
let server: Server;
let client: AgentClient;
let sockets: Socket[];
/** What the guest answers to a line; undefined: nothing. */
let answer: (request: { execute: string; arguments?: { id?: number } }) => string | Buffer | undefined;

const honest: typeof answer = ({ execute, arguments: args }) =>
  execute === 'guest-sync-delimited' ? `\u00ff{"return": ${args?.id}}\n` : '{"return": {}}\n';

beforeEach(async () => {
  folder = await mkdtemp('/tmp/oa-');
  answer = honest;
  sockets = [];
  server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      for (const line of chunk
        .toString('latin1')
        .replaceAll('\u00ff', '')
        .split('\n')
        .filter((one) => one !== '')) {
        const reply = answer(JSON.parse(line) as never);
        if (reply !== undefined) socket.write(Buffer.from(reply as string, 'latin1'));
      }
    });
  });
  await new Promise<void>((resolve) => server.listen({ path: join(folder, 'ga') }, resolve));
  client = new AgentClient(join(folder, 'ga'), 'a');
});
afterEach(async () => {
  client.close();
  for (const socket of sockets) socket.destroy();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true });
});

const ping = (timeoutMs = 100): Promise<unknown> => client.execute('guest-ping', undefined, timeoutMs);
const code = (wanted: string): unknown => expect.objectContaining({ code: wanted });

test('what an earlier conversation left in the channel is skipped', async () => {
  answer = (request) =>
    request.execute === 'guest-sync-delimited'
      ? `{"return": 1}\nhalf a li${honest(request) as string}`
      : honest(request);
  await expect(ping()).resolves.toEqual({});
});

test.for([
  { it: 'nothing', says: () => undefined, code: 'AGENT_TIMEOUT' },
  { it: 'half a line', says: () => '{"return": {', code: 'AGENT_TIMEOUT' },
  { it: 'nonsense', says: () => '}}}\n', code: 'AGENT_PROTOCOL' },
  { it: 'neither return nor error', says: () => '{"hello": 1}\n', code: 'AGENT_PROTOCOL' },
  { it: 'an error', says: () => '{"error": {"class": "GenericError", "desc": "no"}}\n', code: 'AGENT_REFUSED' },
])('a guest that answers $it: $code; the next question is answered', async ({ says, code: wanted }) => {
  answer = (request) => (request.execute === 'guest-ping' ? says() : honest(request));
  await expect(ping()).rejects.toThrow(code(wanted));
  answer = honest;
  await expect(ping(2_000)).resolves.toEqual({});
});

test('an answer that comes after its time is not taken for the next one', async () => {
  answer = (request) => (request.execute === 'guest-info' ? undefined : honest(request));
  await expect(client.execute('guest-info', undefined, 50)).rejects.toThrow(code('AGENT_TIMEOUT'));
  sockets[0]?.write('{"return": {"version": "late"}}\n');
  await expect(ping(2_000)).resolves.toEqual({});
});

test("a guest that answers somebody else's synchronization: AGENT_PROTOCOL", async () => {
  answer = () => Buffer.from('\u00ff{"return": 1}\n', 'latin1');
  await expect(ping()).rejects.toThrow(code('AGENT_PROTOCOL'));
});

test('nobody there: AGENT_ABSENT', async () => {
  const other = new AgentClient(join(folder, 'none'), 'a');
  await expect(other.execute('guest-ping', undefined, 100)).rejects.toThrow(code('AGENT_ABSENT'));
});

describe('BOUNDED', () => {
  test('questions that wait', async () => {
    answer = () => undefined;
    const asked = Array.from({ length: AGENT_LIMITS.queued }, () =>
      ping(5_000).catch((error: { code: string }) => error.code),
    );
    await expect(ping()).rejects.toThrow(code('HOST_LIMIT'));
    answer = honest;
    client.close();
    await Promise.all(asked);
  });

  test('a line without an end', () => {
    const framing = new AgentFraming();
    const piece = Buffer.alloc(1 << 20, 0x20);
    const flood = (): void => {
      for (let sent = 0; sent <= AGENT_LIMITS.messageBytes; sent += piece.byteLength) framing.push(piece);
    };
    expect(flood).toThrow(code('AGENT_PROTOCOL'));
  });

  test('before the delimiter nothing is kept at all', () => {
    const framing = new AgentFraming();
    framing.expectDelimiter();
    for (let sent = 0; sent < 200; sent++) expect(framing.push(Buffer.alloc(1 << 20, 0x20))).toEqual([]);
    expect(framing.push(Buffer.from('x\u00ff{"return": 1}\n', 'latin1'))).toEqual([{ return: 1 }]);
  });
});
