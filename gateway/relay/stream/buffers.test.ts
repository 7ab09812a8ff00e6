import { expect, test } from 'vitest';
import { BUFFERS, BufferPool, nextSize } from './buffers.ts';

test('a read that fills its buffer gets a larger one, a small read the one that fits', () => {
  const [small, middle, large] = BUFFERS.sizesBytes;
  expect([nextSize(0, 6), nextSize(0, small), nextSize(1, middle), nextSize(2, large)]).toEqual([0, 1, 2, 2]);
  expect([nextSize(2, middle + 1), nextSize(2, middle), nextSize(2, small), nextSize(1, small)]).toEqual([2, 1, 0, 0]);
});

test('BOUNDED: so many large buffers are out at once, then there are middle ones, until some come back', () => {
  const pool = new BufferPool();
  const out = Array.from({ length: BUFFERS.largeInUse + 2 }, () => pool.take(2));
  expect(out.map(({ size }) => size).filter((size) => size === 1)).toHaveLength(2);
  for (const buffer of out) {
    expect(buffer.bytes.byteLength).toBe(BUFFERS.sizesBytes[buffer.size]);
    expect(buffer.whole.byteLength).toBe(buffer.bytes.byteLength + BUFFERS.headroomBytes);
    pool.give(buffer);
  }
  expect(pool.take(2).size).toBe(2);
});
