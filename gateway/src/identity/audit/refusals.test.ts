import { expect, test } from 'vitest';
import type { AuditEntry } from './audit-log.ts';
import { Refusals } from './refusals.ts';

test('a thousand refusals are twenty lines and one that counts the rest, per address', async () => {
  const lines: AuditEntry[] = [];
  const refusals = new Refusals(
    async (entry) => void lines.push(entry),
    () => undefined,
  );
  const entry = {
    actor: { id: null, name: '-', via: '-' },
    action: 'x.y',
    outcome: 'refused',
    code: 'FORBIDDEN',
  } as const;
  for (let n = 0; n < 1_000; n += 1) await refusals.write({ ...entry, address: '10.0.0.1' });
  await refusals.write({ ...entry, address: '10.0.0.2' });
  expect(lines).toHaveLength(21);
  await refusals.close();
  expect(lines.at(-1)).toMatchObject({ address: '10.0.0.1', detail: { times: 980 } });
  expect(lines).toHaveLength(22);
});
