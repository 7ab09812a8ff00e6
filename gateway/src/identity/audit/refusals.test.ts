import { expect, test } from 'vitest';
import type { AuditEntry } from './audit-log.ts';
import { Refusals } from './refusals.ts';

const refusal = (who: { id?: string; address: string }, action = 'x.y'): AuditEntry => ({
  actor: { id: who.id ?? null, name: who.id ?? '-', via: '-' },
  action,
  outcome: 'refused',
  code: 'FORBIDDEN',
  address: who.address,
});

function start(
  limits = { linesPerCause: 3, linesOfStrangers: 8, windowMs: 1_000, networks: 10, networksNamed: 4, kinds: 2 },
) {
  const lines: AuditEntry[] = [];
  const clock = { now: 1 };
  const refusals = new Refusals(
    async (entry) => void lines.push(entry),
    () => undefined,
    () => clock.now,
    limits,
  );
  return { lines, clock, refusals };
}

test('a thousand refusals are a few lines and one that counts the rest, for each who caused them', async () => {
  const { lines, refusals } = start();
  for (let n = 0; n < 1_000; n += 1) await refusals.write(refusal({ id: 'eve', address: `10.0.${n % 7}.1` }));
  await refusals.write(refusal({ id: 'ann', address: '10.0.0.1' }));
  expect(lines.map((line) => line.actor.id)).toEqual(['eve', 'eve', 'eve', 'ann']);
  await refusals.close();
  expect(lines).toHaveLength(5);
  expect(lines.at(-1)).toMatchObject({ actor: { id: 'eve' }, detail: { times: 997, kinds: { 'x.y FORBIDDEN': 997 } } });
});

// Seen to fail with counts by the whole address, and by action: each of the million was told apart.
test('strangers are counted by their network, and have a number of lines together', async () => {
  const { lines, refusals } = start();
  for (let n = 0; n < 50; n += 1) await refusals.write(refusal({ address: `2001:db8::${n.toString(16)}` }, `a.${n}`));
  expect(lines).toHaveLength(3);
  for (let n = 0; n < 50; n += 1) await refusals.write(refusal({ address: `192.0.2.${n}` }));
  expect(lines).toHaveLength(8);
  await refusals.write(refusal({ id: 'ann', address: '192.0.2.9' }));
  expect(lines).toHaveLength(9);
  await refusals.close();
  const counted = lines.slice(9).reduce((sum, line) => sum + Number(line.detail?.['times']), 0);
  expect(counted).toBe(101 - 9);
});

test('a line about one cause names a few kinds, and counts the others', async () => {
  const { lines, refusals } = start();
  for (const action of ['a', 'b', 'c', 'd', 'e', 'f', 'g'])
    await refusals.write(refusal({ id: 'eve', address: '-' }, action));
  await refusals.close();
  expect(lines.at(-1)?.detail).toEqual({ times: 4, kinds: { 'd FORBIDDEN': 1, 'e FORBIDDEN': 1, others: 2 } });
});

// Seen to fail with one table for all who cause refusals: the network of the million stood in the place of Ann.
test('any number of networks makes a few lines, and takes no line from an account', async () => {
  const limits = { linesPerCause: 3, linesOfStrangers: 100, windowMs: 1_000, networks: 10, networksNamed: 4, kinds: 2 };
  const { lines, refusals } = start(limits);
  for (let n = 0; n < 400; n += 1) await refusals.write(refusal({ address: `10.${n % 40}.0.1` }));
  await refusals.write(refusal({ id: 'ann', address: '10.1.0.1' }));
  // Three of each network that is told apart, and of all others together.
  expect(lines.map((line) => line.actor.id)).toEqual([...Array<null>(33).fill(null), 'ann']);
  await refusals.close();
  const counted = lines.slice(34).map((line) => line.detail);
  expect(counted).toHaveLength(5);
  expect(counted.at(-1)).toMatchObject({ networks: 7 });
  expect(counted.reduce((sum, detail) => sum + Number(detail?.['times']), 0)).toBe(400 - 33);
});
