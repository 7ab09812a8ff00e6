import { statSync } from 'node:fs';
import { createConnection } from 'node:net';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { getMe } from '../../../api/auth.ts';
import { createClient } from '../../../api/client.ts';
import { fetchAs, startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { adminSocketPath, askAdmin } from './admin-client.ts';
import { serveAdmin } from './admin-socket.ts';

let gateway: TestGateway;
let admin: { close(): Promise<void> };
beforeEach(async () => {
  gateway = await startTestGateway();
  await gateway.auth.firstLink();
  admin = await serveAdmin({ auth: gateway.auth, dataFolder: gateway.folder, ca: 'PEM' });
});
afterEach(async () => {
  await admin.close();
  await gateway.close();
});
const say = (text: string): Promise<string> =>
  new Promise((resolve) => {
    const socket = createConnection(adminSocketPath(gateway.folder), () => socket.write(text));
    let answer = '';
    socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
    socket.once('close', () => resolve(answer));
  });

describe('the local socket', () => {
  test('is for its owner alone', () => {
    const file = adminSocketPath(gateway.folder);
    expect([statSync(file).mode & 0o777, statSync(path.dirname(file)).mode & 0o777]).toEqual([0o600, 0o700]);
  });

  test('makes links and tokens whatever state the passwords are in, and each is in the audit log', async () => {
    for (let n = 0; n < 30; n += 1) await gateway.auth.lockout.failed({ account: 'admin', address: '127.0.0.1' });
    const link = await askAdmin(gateway.folder, { verb: 'link' });
    expect(link).toMatchObject({
      user: 'admin',
      url: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/sign-in#link=/),
    });
    const made = await askAdmin(gateway.folder, {
      verb: 'token.create',
      user: 'admin',
      name: 'ci',
      scopes: ['see'],
      expiresInDays: 1,
    });
    const client = createClient(gateway.origin, { fetch: fetchAs({}), token: made.token });
    expect(await client.call(getMe, {})).toMatchObject({ name: 'admin', rights: ['see'] });
    await askAdmin(gateway.folder, { verb: 'unlock', user: 'admin' });
    await gateway.auth.lockout.check({ account: 'admin', address: '9.9.9.9' });
    await askAdmin(gateway.folder, { verb: 'unlock' });
    await gateway.auth.lockout.check({ account: 'admin', address: '127.0.0.1' });
    const lines = await gateway.audit.list({}, 9);
    expect(lines.map((line) => [line.action, line.actor.via, line.outcome])).toEqual([
      ['admin.unlock', 'local', 'ok'],
      ['admin.unlock', 'local', 'ok'],
      ['admin.token.create', 'local', 'ok'],
      ['admin.link', 'local', 'ok'],
    ]);
  });

  test('gives the command line of the machine one token, and a new one when that was revoked', async () => {
    const first = await askAdmin(gateway.folder, { verb: 'access' });
    expect(first).toMatchObject({ url: gateway.origin, ca: 'PEM' });
    expect((await askAdmin(gateway.folder, { verb: 'access' })).token).toBe(first.token);
    const [row] = await gateway.auth.tokens.list((await gateway.auth.accounts.admins())[0]?.id ?? '');
    await gateway.auth.tokens.revoke(row?.id ?? '');
    expect((await askAdmin(gateway.folder, { verb: 'access' })).token).not.toBe(first.token);
  });

  test('refuses what it does not know, at any length, and goes on', async () => {
    for (const text of [
      'nonsense\n',
      '{}\n',
      '{"verb":"shell"}\n',
      '{"verb":"token.create","user":"admin"}\n',
      `${'x'.repeat(20_000)}\n`,
      '\n',
    ]) {
      expect(JSON.parse(await say(text))).toHaveProperty('error');
    }
    await expect(askAdmin(gateway.folder, { verb: 'link', user: 'nobody' })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('is taken once: a second gateway on the same folder says so', async () => {
    await expect(serveAdmin({ auth: gateway.auth, dataFolder: gateway.folder })).rejects.toThrow(
      'another gateway runs',
    );
    await admin.close();
    await expect(askAdmin(gateway.folder, { verb: 'link' })).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    admin = await serveAdmin({ auth: gateway.auth, dataFolder: gateway.folder });
    await askAdmin(gateway.folder, { verb: 'backup', file: path.join(gateway.folder, 'x.backup') });
    expect(statSync(path.join(gateway.folder, 'x.backup')).mode & 0o777).toBe(0o600);
  });
});
