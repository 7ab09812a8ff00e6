/** Which way the command takes to a gateway: on the gateway's own machine none that a name, a certificate or a proxy is on. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { askAdmin, ownSocketPath } from '../edge/local/admin-client.ts';
import { serveAdmin } from '../edge/local/admin-socket.ts';
import { startTestGateway, type TestGateway } from '../edge/testing/gateway.ts';
import type { Cli } from './base/context.ts';
import { writeProfiles } from './base/profiles.ts';
import { run } from './main.ts';

/** Nobody is there: whoever goes out to it comes back with an error. */
const PUBLIC = 'https://oriel.invalid';
const folder = mkdtempSync(path.join(tmpdir(), 'oriel-own-'));
let gateway: TestGateway;
let admin: { close(): Promise<void> };
beforeEach(async () => {
  mkdirSync(path.join(folder, 'run'), { recursive: true, mode: 0o700 });
  gateway = await startTestGateway({
    folder,
    env: { ORIEL_ORIGIN: PUBLIC },
    server: { ownSocket: ownSocketPath(folder) },
  });
  await gateway.auth.firstLink();
  admin = await serveAdmin({ auth: gateway.auth, dataFolder: folder });
});
afterEach(async () => {
  await admin.close();
  await gateway.close();
  rmSync(folder, { recursive: true, force: true });
});

async function oriel(...argv: string[]) {
  let out = '';
  let err = '';
  const cli: Cli = {
    terminal: { out: (text) => (out += text), err: (text) => (err += text), columns: undefined },
    env: { ORIEL_PROFILES: path.join(folder, 'profiles.json') },
    now: Date.now,
    input: Readable.from([]),
    localAccess: () => askAdmin(folder, { verb: 'access' }),
  };
  const status = await run(cli, ['node', 'oriel', ...argv]);
  return { status, out, err };
}

test('on the machine of the gateway it does not go out to the public name', async () => {
  expect(await oriel('user', 'add', 'ada')).toMatchObject({ status: 0, err: '' });
  expect(await oriel('user', 'list')).toMatchObject({ status: 0, out: expect.stringMatching(/^ada .*\nadmin /m) });
  // Links are for people elsewhere, and say the public name.
  expect((await oriel('user', 'link', 'ada')).out).toContain(`${PUBLIC}/sign-in#link=`);
  const [line] = await gateway.audit.list({ action: 'user.create' }, 1);
  expect(line).toMatchObject({ actor: { name: 'admin' }, address: '127.0.0.1' });
});

test('a profile of that gateway goes the same way, with the token of its own', async () => {
  const made = { user: 'admin', name: 'mine', scopes: ['see' as const], expiresInDays: 1 };
  const { token } = await askAdmin(folder, { verb: 'token.create', ...made });
  const profiles = { here: { url: PUBLIC, token }, far: { url: 'https://far.invalid', token } };
  writeProfiles(path.join(folder, 'profiles.json'), { current: 'here', profiles });
  expect(await oriel('user', 'list')).toMatchObject({ status: 3, err: expect.stringContaining('people') });
  expect(await oriel('profile', 'use', 'far')).toMatchObject({ status: 0 });
  expect(await oriel('user', 'list')).toMatchObject({ status: 6, err: expect.stringContaining('https://far.invalid') });
});
