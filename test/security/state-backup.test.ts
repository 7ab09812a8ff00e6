/** `oriel admin backup` and `restore` of a real gateway's own state, as a person on its machine does it. */
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { verifyAudit } from '../../gateway/api/audit.ts';
import type { Client } from '../../gateway/api/client.ts';
import { createUser, listUsers } from '../../gateway/api/people.ts';
import { oriel, startGateway, type TestGateway } from '../support/gateway.ts';

let gateway: TestGateway;
let client: Client;
beforeAll(async () => {
  gateway = await startGateway();
  ({ client } = await gateway.signIn());
});
afterAll(() => gateway.stop());

test('the state comes back as it was saved, with an audit log that is whole, and not while a gateway runs', async () => {
  const file = path.join(gateway.dataDir, 'state.backup');
  await client.call(createUser, { body: { name: 'before' } });
  const saved = await oriel(gateway.dataDir, ['admin', 'backup', file]);
  expect([saved.status, saved.err]).toEqual([0, '']);
  await client.call(createUser, { body: { name: 'after' } });
  expect((await oriel(gateway.dataDir, ['admin', 'restore', file])).status).toBe(5);
  await gateway.end();
  const restored = await oriel(gateway.dataDir, ['admin', 'restore', file]);
  expect([restored.status, restored.err]).toEqual([0, '']);
  gateway = await gateway.again();
  // The cookie was in the backup: it still signs in.
  const { client: again } = gateway.link === undefined ? { client } : await gateway.signIn();
  expect((await again.call(listUsers, {})).items.map((user) => user.name)).toEqual(['admin', 'before']);
  expect(await again.call(verifyAudit, {})).toMatchObject({ isIntact: true });
  const missing = await oriel(gateway.dataDir, ['admin', 'backup', '/no/such/folder/x']);
  expect([missing.status, missing.err.includes('cannot write the backup')]).toEqual([64, true]);
});
