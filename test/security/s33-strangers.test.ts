/**
 * S33: plain HTTP behind a proxy is for that proxy and this machine alone. S36: limits count an IPv6 customer as one, and
 * what a proxy says that is no address is not the proxy.
 */
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, describe, expect, test } from 'vitest';
import { signInWithPassword } from '../../gateway/api/auth.ts';
import { createClient } from '../../gateway/api/client.ts';
import { peerOf, trustedProxies } from '../../gateway/src/edge/api/origin.ts';
import { fetchAs, startTestGateway, type TestGateway } from '../../gateway/src/edge/testing/gateway.ts';
import { LOCKOUT } from '../../gateway/src/identity/credentials/lockout.ts';

let gateway: TestGateway;
afterEach(() => gateway.close());

/** What comes back on a connection to that address: nothing where it is cut. */
function answerAt(host: string): Promise<string> {
  return new Promise((resolve) => {
    let text = '';
    const socket = connect(gateway.server.port, host);
    socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    socket.on('data', (data: Buffer) => (text += data.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => resolve(text));
  });
}

const outward = Object.values(networkInterfaces())
  .flat()
  .find((one) => one?.family === 'IPv4' && !one.internal)?.address;

describe('S33 plain HTTP', () => {
  // Seen to fail without `cutStrangers`: everybody was answered.
  test('answers this machine and the proxy that is named, and cuts everybody else', async () => {
    const plain = { ORIEL_LISTEN: '0.0.0.0:0', ORIEL_TLS: 'off' };
    gateway = await startTestGateway({ env: { ...plain, ORIEL_TRUSTED_PROXY: '192.0.2.1' } });
    expect(await answerAt('127.0.0.1')).toContain('200 OK');
    // A connection to an address of this machine comes from that address.
    if (outward !== undefined) expect(await answerAt(outward)).toBe('');
    await gateway.close();
    gateway = await startTestGateway({ env: { ...plain, ORIEL_TRUSTED_PROXY: outward ?? '192.0.2.1' } });
    if (outward !== undefined) expect(await answerAt(outward)).toContain('200 OK');
  });
});

describe('S36 addresses', () => {
  // Seen to fail with keys made of the whole address: each of the addresses of one customer had its own hundred guesses.
  test('of one /64 are one, mapped IPv4 is IPv4, and nonsense is not the proxy', async () => {
    gateway = await startTestGateway({ env: { ORIEL_TRUSTED_PROXY: '127.0.0.1' } });
    const from = (address: string) =>
      createClient(gateway.origin, { fetch: fetchAs({ origin: gateway.origin, 'x-forwarded-for': address }) });
    const guess = (address: string, n: number): Promise<string> =>
      from(address)
        .call(signInWithPassword, { body: { name: `n${n}`, password: 'wrong' } })
        .then(
          () => 'ok',
          (error: { code: string }) => error.code,
        );
    for (let n = 0; n < LOCKOUT.address.free; n += 1) await guess(`2001:db8:1:2::${n.toString(16)}`, n);
    expect(await guess('2001:db8:1:2:ffff::1', 1_000)).toBe('LOCKED_OUT');
    expect(await guess('2001:db8:1:3::1', 1_001)).toBe('SIGN_IN_FAILED');
    const proxies = trustedProxies(['10.0.0.0/8', '::1']);
    const seen = (forwarded: string) => peerOf('10.0.0.1', false, { 'x-forwarded-for': forwarded }, proxies).address;
    expect(
      [
        '::ffff:c000:207',
        '2001:DB8::1',
        '1.2.3.4:5',
        '[2001:db8::1]:5',
        'unknown',
        '_x',
        '999.1.1.1',
        '1.1.1.1, <x>',
      ].map(seen),
    ).toEqual(['192.0.2.7', '2001:db8::1', '1.2.3.4', '2001:db8::1', 'unknown', 'unknown', 'unknown', 'unknown']);
  }, 60_000);
});
