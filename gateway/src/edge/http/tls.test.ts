import { execFileSync } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { parseConfig } from '../../config.ts';
import { openLog } from '../../log.ts';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';
import { openCertificate, reloadOnChange } from './certificate.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'oriel-tls-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});
async function start(env: Record<string, string> = { ORIEL_TLS: 'on' }): Promise<TestGateway> {
  const gateway = await startTestGateway({ env });
  gateways.push(gateway);
  return gateway;
}
function ask(gateway: TestGateway, route: string, headers: Record<string, string> = {}) {
  const options = { ca: gateway.server.certificate?.cert, headers, agent: false as const };
  return new Promise<{ status: number; headers: NodeJS.Dict<string | string[]>; body: string }>((resolve, reject) => {
    https
      .get(gateway.origin + route, options, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }));
      })
      .once('error', reject);
  });
}
function dial(port: number, options: object = {}): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options }, () => resolve(socket));
    socket.once('error', reject);
  });
}

describe('TLS', () => {
  test('encrypts with 128 bits of AES, and with ChaCha20 for who puts that first', async () => {
    const gateway = await start();
    const suites = ['TLS_AES_256_GCM_SHA384', 'TLS_AES_128_GCM_SHA256', 'TLS_CHACHA20_POLY1305_SHA256'];
    const cipherFor = async (ciphers: readonly string[]): Promise<string> => {
      const socket = await dial(gateway.server.port, { ciphers: ciphers.join(':') });
      const { name } = socket.getCipher();
      socket.destroy();
      return name;
    };
    expect(await cipherFor(suites)).toBe('TLS_AES_128_GCM_SHA256');
    expect(await cipherFor(suites.toReversed())).toBe('TLS_CHACHA20_POLY1305_SHA256');
  });
  test('makes a certificate that verifies for every name of this machine, keeps it, and says its fingerprint', async () => {
    const gateway = await start();
    expect(gateway.origin).toMatch(/^https:/);
    expect((await ask(gateway, '/healthz')).status).toBe(200);
    const certificate = gateway.server.certificate;
    const file = certificate?.certFile ?? '';
    const openssl = execFileSync('openssl', ['x509', '-in', file, '-noout', '-fingerprint', '-sha256', '-text'], {
      encoding: 'utf8',
    });
    expect(openssl).toContain(certificate?.fingerprint ?? 'none');
    expect(openssl).toMatch(/prime256v1[\s\S]*DNS:localhost/);
    expect(statSync(certificate?.keyFile ?? '').mode & 0o777).toBe(0o600);
    // Apple takes 825 days of a certificate of one's own, and 398 of any other.
    const { validFrom, validTo } = new X509Certificate(certificate?.cert ?? '');
    expect(Date.parse(validTo) - Date.parse(validFrom)).toBeLessThanOrEqual(398 * 86_400_000);
    const config = { ...parseConfig({ ORIEL_TLS: 'on' }), dataFolder: gateway.folder };
    expect((await openCertificate(config, Date.now())).fingerprint).toBe(certificate?.fingerprint);
    const later = await openCertificate(config, Date.now() + 800 * 86_400_000);
    expect(later.fingerprint).not.toBe(certificate?.fingerprint);
  });

  test('has a __Host- cookie that is Secure, and HSTS; the plain name is nobody', async () => {
    const gateway = await start();
    const ann = await gateway.person('ann');
    expect(ann.headers.cookie).toMatch(/^__Host-oriel=/);
    expect((await ask(gateway, '/api/v1/me', { cookie: ann.headers.cookie })).status).toBe(200);
    const plain = ann.headers.cookie.replace('__Host-oriel', 'oriel-session');
    expect((await ask(gateway, '/api/v1/me', { cookie: plain })).status).toBe(401);
    const answer = await ask(gateway, '/api/v1/me', {
      cookie: `${ann.headers.cookie}; ${ann.headers.cookie.replace(/=.*/, '=planted')}`,
    });
    expect(answer.status).toBe(401); // The same name twice: one of them was planted.
    expect(answer.headers['strict-transport-security']).toMatch(/max-age=\d{8}/);
    const link = (await gateway.auth.links.create(ann.userId)).token;
    const set = await new Promise<string>((resolve, reject) => {
      const options = {
        method: 'POST',
        ca: gateway.server.certificate?.cert,
        agent: false as const,
        headers: { origin: gateway.origin, 'content-type': 'application/json' },
      };
      https
        .request(`${gateway.origin}/api/v1/sign-in/link`, options, (response) =>
          resolve(String(response.headers['set-cookie']?.[0])),
        )
        .once('error', reject)
        .end(JSON.stringify({ link }));
    });
    expect(set).toMatch(/^__Host-oriel=[A-Za-z0-9_-]{43}; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Strict; Secure$/);
  });

  test('resumes with session tickets, and speaks nothing older than TLS 1.2', async () => {
    const { server } = await start();
    const first = await dial(server.port, { maxVersion: 'TLSv1.2' });
    const session = first.getSession();
    const second = await dial(server.port, { maxVersion: 'TLSv1.2', session });
    expect(second.isSessionReused()).toBe(true);
    first.destroy();
    second.destroy();
    await expect(
      dial(server.port, { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }),
    ).rejects.toThrow();
  });

  test('reads its files again when they change; a pair that does not fit leaves the old one', async () => {
    const pair = (name: string): { cert: string; key: string } => {
      const [cert, key] = [path.join(folder, `${name}.crt`), path.join(folder, `${name}.key`)];
      execFileSync(
        'openssl',
        [
          'req',
          '-x509',
          '-newkey',
          'ec',
          '-pkeyopt',
          'ec_paramgen_curve:P-256',
          '-nodes',
          '-keyout',
          key,
          '-out',
          cert,
          '-days',
          '2',
          '-subj',
          `/CN=${name}`,
        ],
        { stdio: 'pipe' },
      );
      return { cert, key };
    };
    const used = pair('used');
    const gateway = await start({ ORIEL_TLS_CERT: used.cert, ORIEL_TLS_KEY: used.key });
    const { server, certificate } = gateway.server;
    if (certificate === undefined || !('setSecureContext' in server)) throw new Error('no TLS');
    const lines = new EventEmitter();
    const log = openLog({
      destination: { write: (line: string) => void lines.emit((JSON.parse(line) as { msg: string }).msg) },
    });
    const stop = reloadOnChange(server, certificate, log, 10);
    const name = async (): Promise<unknown> => {
      const socket = await dial(gateway.server.port);
      const { subject } = socket.getPeerCertificate();
      socket.destroy();
      return subject.CN;
    };
    expect(await name()).toBe('used');
    const fresh = pair('fresh');
    const reloaded = once(lines, 'tls.reloaded');
    renameSync(fresh.key, used.key);
    renameSync(fresh.cert, used.cert);
    await reloaded;
    expect(await name()).toBe('fresh');
    const failed = once(lines, 'tls.reload-failed');
    writeFileSync(used.key, 'not a key');
    await failed;
    expect(await name()).toBe('fresh');
    stop();
  });

  test('is on by itself away from loopback, and plain HTTP is refused there', () => {
    expect(parseConfig({ ORIEL_LISTEN: '0.0.0.0:1' }).tls.isOn).toBe(true);
    expect(parseConfig({ ORIEL_LISTEN: '127.0.0.1:1' }).tls.isOn).toBe(false);
    expect(parseConfig({ ORIEL_LISTEN: '[::1]:1' }).tls.isOn).toBe(false);
    expect(() => parseConfig({ ORIEL_LISTEN: '0.0.0.0:1', ORIEL_TLS: 'off' })).toThrow(
      'plain HTTP on 0.0.0.0 is refused',
    );
    expect(parseConfig({ ORIEL_LISTEN: '0.0.0.0:1', ORIEL_TLS: 'off', ORIEL_TRUSTED_PROXY: '10.0.0.1' }).tls.isOn).toBe(
      false,
    );
    expect(() => parseConfig({ ORIEL_LISTEN: 'nonsense' })).toThrow('"nonsense" is not host:port');
    expect(() => parseConfig({ ORIEL_ORIGIN: 'oriel.example' })).toThrow('not an address like https://oriel.example');
  });
});
