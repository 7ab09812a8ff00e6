import { afterEach, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { getMe, listTokens, signInWithLink } from '../../../api/auth.ts';
import { createClient } from '../../../api/client.ts';
import { route } from '../../../api/route.ts';
import { GatewayError } from '../../errors.ts';
import { bind } from '../../platform/api/bind.ts';
import { fetchAs, startTestGateway, type TestGateway, type TestGatewayOptions } from '../testing/gateway.ts';

const gateways: TestGateway[] = [];
afterEach(async () => {
  for (const gateway of gateways.splice(0)) await gateway.close();
});
async function start(options: TestGatewayOptions = {}): Promise<TestGateway> {
  const gateway = await startTestGateway(options);
  gateways.push(gateway);
  return gateway;
}

describe('the server', () => {
  test('a one-time link signs the first admin in, once', async () => {
    const { auth, origin } = await start();
    const link = (await auth.firstLink()) ?? '';
    const answer = await fetch(`${origin}/api/v1/sign-in/link`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin },
      body: JSON.stringify({ link }),
    });
    expect(answer.status).toBe(200);
    const cookie = answer.headers.getSetCookie()[0]?.split(';')[0] ?? '';
    const client = createClient(origin, { fetch: fetchAs({ cookie }) });
    expect(await client.call(getMe, {})).toMatchObject({ name: 'admin', roles: ['admin'] });
    await expect(client.call(signInWithLink, { body: { link } })).rejects.toMatchObject({ code: 'SIGN_IN_FAILED' });
  });

  test('a person is signed in, nobody is not', async () => {
    const gateway = await start();
    const ann = await gateway.person('ann');
    expect(await ann.client.call(getMe, {})).toMatchObject({ name: 'ann', roles: ['user'] });
    expect((await ann.client.call(listTokens, {})).items).toEqual([]);
    const nobody = createClient(gateway.origin, { fetch: fetchAs({}) });
    await expect(nobody.call(getMe, {})).rejects.toMatchObject({ code: 'NOT_SIGNED_IN' });
  });

  test('a right on one desktop opens that desktop and hides the others', async () => {
    const getThing = route({
      id: 'thing.get',
      method: 'get',
      path: '/things/{desktopId}',
      summary: 'test',
      access: { right: 'open', on: 'desktop', by: 'desktopId' },
      params: z.object({ desktopId: z.string() }),
      reply: z.object({ id: z.string() }),
    });
    const gateway = await start({
      features: () => ({
        routes: [bind(getThing, async ({ params }) => ({ id: params.desktopId, secret: 'not in the schema' }))],
        lookups: { desktop: async (id) => (id === 'gone' ? undefined : { desktopId: id }) },
      }),
    });
    const ann = await gateway.person('ann');
    await gateway.assign(ann.userId, 'd1', 'open');
    await gateway.assign(ann.userId, 'd2', 'see');
    expect(await ann.client.call(getThing, { params: { desktopId: 'd1' } })).toEqual({ id: 'd1' });
    await expect(ann.client.call(getThing, { params: { desktopId: 'd2' } })).rejects.toMatchObject({
      code: 'FORBIDDEN',
    });
    await expect(ann.client.call(getThing, { params: { desktopId: 'd3' } })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
    await expect(ann.client.call(getThing, { params: { desktopId: 'gone' } })).rejects.toMatchObject({
      code: 'NOT_FOUND',
    });
  });

  test('what a handler throws unforeseen shows nothing of itself', async () => {
    const fail = route({
      id: 'thing.fail',
      method: 'get',
      path: '/fail',
      summary: 'test',
      access: 'signed-in',
      reply: z.object({}),
    });
    const refuse = route({
      id: 'thing.refuse',
      method: 'get',
      path: '/refuse',
      summary: 'test',
      access: 'signed-in',
      reply: z.object({}),
    });
    const gateway = await start({
      features: () => ({
        routes: [
          bind(fail, async () => {
            throw new Error('secret /run/host.sock');
          }),
          bind(refuse, async () => {
            throw new GatewayError('BUSY', 'vm x is being moved');
          }),
        ],
      }),
    });
    const ann = await gateway.person('ann');
    await expect(ann.client.call(fail, {})).rejects.toSatisfy((error) => !JSON.stringify(error).includes('secret'));
    await expect(ann.client.call(refuse, {})).rejects.toMatchObject({ code: 'BUSY', message: 'vm x is being moved' });
  });
});
