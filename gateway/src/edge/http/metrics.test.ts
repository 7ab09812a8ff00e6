import { Registry } from 'prom-client';
import request from 'supertest';
import { afterEach, describe, expect, test } from 'vitest';
import { startTestGateway, type TestGateway } from '../testing/gateway.ts';

let gateway: TestGateway;
afterEach(() => gateway.close());

describe('S39 metrics', () => {
  // Seen to fail without `isOwnHost`: a page of elsewhere whose name was made to mean 127.0.0.1 read them.
  test('are given to this machine under a name of its own only', async () => {
    gateway = await startTestGateway({ server: { registry: new Registry() } });
    const under = async (host: string): Promise<number> =>
      (await request(gateway.origin).get('/metrics').set('host', host)).status;
    const { port } = gateway.server;
    expect(await under(`127.0.0.1:${port}`)).toBe(200);
    expect(await under(`localhost:${port}`)).toBe(200);
    expect(await under(`[::1]:${port}`)).toBe(200);
    for (const host of [
      `evil.example:${port}`,
      'evil.example',
      `127.0.0.1.evil.example:${port}`,
      `localhost.evil:${port}`,
      '',
    ])
      expect([host, await under(host)]).toEqual([host, 401]);
  });
});
