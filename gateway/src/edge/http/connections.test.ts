import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConnectionCounter } from './connections.ts';

test('an address holds at most so many connections at once, and counts are forgotten when it leaves (property)', () => {
  const steps = fc.array(fc.record({ address: fc.constantFrom('a', 'b', 'c'), leaves: fc.boolean() }), {
    maxLength: 200,
  });
  fc.assert(
    fc.property(steps, (all) => {
      const counter = new ConnectionCounter(3);
      const open = new Map<string, (() => void)[]>();
      for (const { address, leaves } of all) {
        const own = open.get(address) ?? [];
        open.set(address, own);
        if (leaves) own.pop()?.();
        else {
          const leave = counter.enter(address);
          expect(leave === undefined).toBe(3 <= own.length);
          if (leave !== undefined) own.push(leave);
        }
      }
      expect(counter.addresses).toBe([...open.values()].filter((own) => 0 < own.length).length);
    }),
  );
});
