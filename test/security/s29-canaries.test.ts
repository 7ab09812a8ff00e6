/**
 * S29, S4: secrets as canaries. A real gateway does its work with known secrets; then none of them is in a log, a
 * metric, an error, an audit line, a file that is not theirs, or a process's arguments (NO-SECRET-OUT).
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import request from 'supertest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { exportAudit } from '../../gateway/api/audit.ts';
import { processesOf, startGateway, type TestGateway } from '../support/gateway.ts';
import { raw, upgradeHead } from './raw.ts';

const CANARIES: Record<string, string> = {
  password: 'canary gravel oyster nine',
  wrongPassword: 'canary wrong violin seven',
  newPassword: 'canary plum bicycle rain',
};
let gateway: TestGateway;
let headers: Record<string, string>;
const errors: string[] = [];

beforeAll(async () => {
  gateway = await startGateway({ env: { ORIEL_LOG: 'trace' } });
  CANARIES['link'] = gateway.link?.split('#link=')[1] ?? '';
  const { cookie } = await gateway.signIn();
  CANARIES['cookie'] = cookie.split('=')[1] ?? '';
  headers = { cookie, origin: gateway.origin };
  await doWork();
});
afterAll(() => gateway.stop());

type Body = Record<string, unknown>;
async function send(
  method: 'post' | 'put' | 'get',
  route: string,
  body?: object,
  more: Record<string, string> = {},
): Promise<Body> {
  const sent = request(gateway.origin)
    [method](`/api/v1${route}`)
    .set({ ...headers, ...more });
  const answer = await (body === undefined ? sent : sent.send(body));
  if (400 <= answer.status) errors.push(answer.text);
  return answer.body as Body;
}

/** What a day brings, mistakes included. */
async function doWork(): Promise<void> {
  const { password, wrongPassword, newPassword, link } = CANARIES;
  await send('put', '/me/password', { newPassword: password });
  await send('put', '/me/password', { currentPassword: wrongPassword, newPassword });
  await send('put', '/me/password', { currentPassword: password, newPassword, extra: { nested: wrongPassword } });
  for (const body of [
    { name: 'admin', password: wrongPassword },
    { name: 'admin', password: [wrongPassword] },
    { name: wrongPassword, password },
  ]) {
    await send('post', '/sign-in/password', body);
  }
  await send('post', '/sign-in/link', { link });
  await send('post', `/sign-in/link?link=${link}`, {});
  const token = await send('post', '/me/tokens', { name: 'canary', scopes: ['see'] });
  CANARIES['token'] = String(token['token']);
  await request(gateway.origin).get('/api/v1/me').set('authorization', `Bearer ${CANARIES['token']}`);
  await request(gateway.origin).get('/api/v1/me').set('authorization', `Bearer ${CANARIES['token']}x`);
  const totp = await send('post', '/me/totp');
  CANARIES['totp'] = String(totp['secret']);
  await send('post', '/me/totp/confirm', { code: '000000' });
  const desktops = (await send('get', '/desktops'))['items'] as { id: string }[];
  const ticket = await send('post', `/desktops/${desktops[0]?.id}/tickets`, {});
  CANARIES['ticket'] = String(ticket['ticket']);
  // Used as it should be, and once more,
  const used = await send('post', `/desktops/${desktops[0]?.id}/tickets`, { kind: 'serial' });
  CANARIES['usedTicket'] = String(used['ticket']);
  for (let i = 0; i < 2; i++) await useTicket(CANARIES['usedTicket']);
  // and wrongly, in every place where somebody might put it.
  await request(gateway.origin).get(`/ws/session?ticket=${CANARIES['ticket']}`).set(headers);
  const protocol = `binary, oriel.ticket.${CANARIES['ticket']}`;
  await raw(
    gateway,
    upgradeHead('/ws/session', {
      Cookie: headers['cookie'] ?? '',
      Origin: gateway.origin,
      'Sec-WebSocket-Protocol': `${protocol}x`,
    }),
    'head',
  );
  await raw(
    gateway,
    upgradeHead('/ws/nothing', { Origin: gateway.origin, 'Sec-WebSocket-Protocol': protocol }),
    'head',
  );
}

/** Resolves once the socket said something or was closed. */
async function useTicket(ticket: string): Promise<void> {
  const socket = new WebSocket(
    `${gateway.origin.replace('http', 'ws')}/ws/session`,
    ['binary', `oriel.ticket.${ticket}`],
    {
      headers,
    },
  );
  await new Promise<void>((resolve) => {
    socket.once('message', () => resolve());
    socket.once('close', () => resolve());
  });
  socket.terminate();
}

function* filesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const file = path.join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(file);
    else if (entry.isFile()) yield file;
  }
}
const found = (text: string): string[] =>
  Object.entries(CANARIES).flatMap(([name, secret]) => (text.includes(secret) ? [name] : []));

describe('S29 no canary', () => {
  test('is missing from the list, which would check nothing', () => {
    expect(Object.entries(CANARIES).filter(([, secret]) => secret.length < 16 || secret === 'undefined')).toEqual([]);
    expect(Object.keys(CANARIES)).toHaveLength(9);
  });
  // Seen to fail with `log.info({ body })` planted in route-handler.ts.
  test('is in what the gateway prints or logs; the link stands where it is printed, once', () => {
    expect(found(gateway.output().replace(CANARIES['link'] ?? '', ''))).toEqual([]);
  });
  test('S4 is in any file of the data folder: hashes only', () => {
    const files = [...filesBelow(gateway.dataDir)].filter((file) => statSync(file).size < 64 * 2 ** 20);
    expect(
      files.some((file) => file.endsWith('gateway.log')) && files.some((file) => file.endsWith('gateway.db-wal')),
    ).toBe(true);
    for (const file of files) {
      const names = found(readFileSync(file, 'latin1'));
      // A one-time-code secret must be kept as it is: codes are made of it. The file is for its owner alone.
      const allowed = /gateway\.db(-wal)?$/.test(file) ? ['totp'] : [];
      expect([file, names.filter((name) => !allowed.includes(name))]).toEqual([file, []]);
      if (file.includes('gateway.db')) expect(statSync(file).mode & 0o077).toBe(0);
    }
  });
  test('is in an error that the API gave', () => {
    expect(errors.length).toBeGreaterThan(6);
    expect(found(errors.join('\n'))).toEqual([]);
  });
  test('is in the audit log', async () => {
    const lines = await request(gateway.origin)
      .get(`/api/v1${exportAudit.path}`)
      .set(headers)
      .buffer(true)
      .parse((answer, done) => {
        let text = '';
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()));
        answer.on('end', () => done(null, text));
      });
    expect(String(lines.body)).toContain('sign-in.password');
    // Somebody typed a password where the name belongs: the audit log keeps what was typed as a name only if it can be one.
    expect(found(String(lines.body))).toEqual([]);
  });
  test('is in the metrics, nor is a name of a person', async () => {
    const { text } = await request(gateway.origin).get('/metrics');
    expect(text).toContain('oriel_http_requests_total');
    expect(found(text)).toEqual([]);
    expect(text).not.toMatch(/="(admin|Administrator)"/);
  });
  test('is in the arguments or the environment of a process', () => {
    const processes = processesOf(gateway.dataDir);
    expect(processes.length).toBeGreaterThan(0);
    for (const { pid, command } of processes) {
      const environment = readFileSync(`/proc/${pid}/environ`, 'latin1');
      expect([command, found(command + environment)]).toEqual([command, []]);
    }
  });
});
