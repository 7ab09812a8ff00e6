import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectQmp, QMP_LIMITS, type QmpClient } from './client.ts';
import { type FakeQmp, type FakeQmpScript, fakeQmpServer, GREETING } from './testing/fake-qmp-server.ts';

let folder: string;
let server: FakeQmp | undefined;
let client: QmpClient | undefined;

beforeEach(async () => {
  folder = await mkdtemp('/tmp/oq-');
});
afterEach(async () => {
  client?.close();
  await server?.close();
  client = server = undefined;
  await rm(folder, { recursive: true });
});

const path = (): string => join(folder, 'qmp');
const quick = { connectMs: 500, handshakeMs: 60, commandMs: 60 } as const;
async function open(script: FakeQmpScript = {}): Promise<{ server: FakeQmp; client: QmpClient }> {
  server = await fakeQmpServer(path(), script);
  client = await connectQmp(path(), quick);
  return { server, client };
}
const failsWith = (code: string): unknown => expect.objectContaining({ code });

describe('connecting', () => {
  test('greets, negotiates, knows the version', async () => {
    const { server: fake, client: qmp } = await open();
    expect(qmp.version).toBe('7.2.22');
    expect(fake.commands.map((command) => command.execute)).toEqual(['qmp_capabilities']);
  });

  test('a greeting in pieces is one greeting', async () => {
    server = await fakeQmpServer(path(), { greeting: GREETING.slice(0, 20) });
    const connecting = connectQmp(path(), { ...quick, handshakeMs: 5_000 });
    await expect.poll(() => server?.connections()).toBe(1);
    server.say(GREETING.slice(20));
    client = await connecting;
    expect(client.isOpen).toBe(true);
  });

  test.for([
    { it: 'nobody listens', script: undefined, code: 'HOST_UNREACHABLE' },
    { it: 'the server says nothing', script: { greeting: undefined }, code: 'HOST_TIMEOUT' },
    { it: 'the greeting stops in the middle', script: { greeting: GREETING.slice(0, 30) }, code: 'HOST_TIMEOUT' },
    { it: 'the server is not QMP', script: { greeting: '220 mail.example ESMTP\r\n' }, code: 'HOST_PROTOCOL' },
    { it: 'the first message is an event', script: { greeting: '{"event": "STOP"}\r\n' }, code: 'HOST_PROTOCOL' },
    {
      it: 'the server sends without an end',
      script: { greeting: ' '.repeat(QMP_LIMITS.messageBytes + 1) },
      code: 'HOST_PROTOCOL',
    },
  ])('$it: $code, and no connection is left', async ({ script, code }) => {
    if (script !== undefined) server = await fakeQmpServer(path(), script);
    await expect(connectQmp(path(), { ...quick, handshakeMs: code === 'HOST_PROTOCOL' ? 5_000 : 60 })).rejects.toThrow(
      failsWith(code),
    );
    await expect.poll(() => server?.connections() ?? 0).toBe(0);
  });

  test('giving up ends the wait', async () => {
    server = await fakeQmpServer(path(), { greeting: undefined });
    const abort = new AbortController();
    const connecting = connectQmp(path(), { ...quick, handshakeMs: 60_000, signal: abort.signal });
    await expect.poll(() => server?.connections()).toBe(1);
    abort.abort();
    await expect(connecting).rejects.toThrow(failsWith('TASK_CANCELLED'));
  });
});

describe('commands', () => {
  test('answers find their question, in whatever order', async () => {
    const { server: fake, client: qmp } = await open({ answer: () => undefined });
    const [status, block] = [qmp.execute('query-status'), qmp.execute('query-block')];
    await fake.heard('query-block');
    const id = (name: string): number => fake.commands.find((command) => command.execute === name)?.id ?? -1;
    fake.say(
      `{"return": [], "id": ${id('query-block')}}\r\n{"return": {"status": "running", "running": true}, "id": ${id('query-status')}}\r\n`,
    );
    expect(await block).toEqual([]);
    expect((await status).status).toBe('running');
  });

  test('an error of QEMU is VM_REFUSED with its words', async () => {
    const { client: qmp } = await open({
      answer: (_, id) => `{"id": ${id}, "error": {"class": "GenericError", "desc": "no such device"}}\r\n`,
    });
    await expect(qmp.execute('cont')).rejects.toMatchObject({
      code: 'VM_REFUSED',
      message: expect.stringContaining('no such device'),
    });
  });

  test('no answer is HOST_TIMEOUT; the connection lives, and a late answer hurts nobody', async () => {
    const { server: fake, client: qmp } = await open({
      answer: (execute, id) => (execute === 'stop' ? undefined : `{"return": {}, "id": ${id}}\r\n`),
    });
    await expect(qmp.execute('stop')).rejects.toThrow(failsWith('HOST_TIMEOUT'));
    fake.say(`{"return": {}, "id": ${fake.commands.at(-1)?.id}}\r\n`);
    await expect(qmp.execute('cont')).resolves.toEqual({});
  });

  test('half an answer is HOST_TIMEOUT', async () => {
    const { client: qmp } = await open({ answer: (_, id) => `{"return": {}, "id": ${id}` });
    await expect(qmp.execute('stop')).rejects.toThrow(failsWith('HOST_TIMEOUT'));
  });

  test('garbage ends the connection: every question fails with HOST_PROTOCOL', async () => {
    const { client: qmp } = await open({ answer: () => '\u0000\u00ff{{{\n' });
    await expect(Promise.allSettled([qmp.execute('stop'), qmp.execute('cont')])).resolves.toMatchObject([
      { reason: { code: 'HOST_PROTOCOL' } },
      { reason: { code: 'HOST_PROTOCOL' } },
    ]);
    expect((await qmp.closed).code).toBe('HOST_PROTOCOL');
    await expect(qmp.execute('cont')).rejects.toThrow(failsWith('HOST_PROTOCOL'));
  });

  test('a connection that breaks fails what waits with HOST_UNREACHABLE', async () => {
    const { server: fake, client: qmp } = await open({ answer: () => undefined });
    const stop = qmp.execute('stop', undefined, { timeoutMs: 60_000 });
    await fake.heard('stop');
    await fake.close();
    server = undefined;
    await expect(stop).rejects.toThrow(failsWith('HOST_UNREACHABLE'));
  });

  test('BOUNDED: more questions than fit are HOST_LIMIT', async () => {
    const { client: qmp } = await open({ answer: () => undefined });
    const asked = Array.from({ length: QMP_LIMITS.commandsInFlight }, () => qmp.execute('cont').catch(() => undefined));
    await expect(qmp.execute('cont')).rejects.toThrow(failsWith('HOST_LIMIT'));
    qmp.close();
    await Promise.all(asked);
  });
});

test('events reach every listener until it stops listening', async () => {
  const { server: fake, client: qmp } = await open();
  const [one, two]: [string[], string[]] = [[], []];
  const stop = qmp.onEvent((event) => one.push(event.name));
  qmp.onEvent((event) => two.push(event.name));
  fake.say('{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "STOP"}\r\n');
  await expect.poll(() => two.length).toBe(1);
  stop();
  fake.say('{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}\r\n');
  await expect.poll(() => two).toEqual(['STOP', 'RESUME']);
  expect(one).toEqual(['STOP']);
});
