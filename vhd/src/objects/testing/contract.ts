/** What every place for objects keeps. The test file of another one is one call. */

import { describe, expect, test } from 'vitest';
import { isVhdError, type VhdErrorCode } from '../../errors.ts';
import type { Part } from '../../image/patch.ts';
import { getWhole, type ObjectStore, whole } from '../object-store.ts';

/** A place to try. */
export interface StoreSubject {
  /** An empty one. */
  readonly open: () => Promise<ObjectStore>;
  /** Objects that make a listing of more than one page. */
  readonly manyObjects: number;
  /** Bytes that do not go into one request. */
  readonly largeBytes: number;
  /** How many puts were begun and neither finished nor taken back. */
  readonly unfinished: (store: ObjectStore) => Promise<number>;
  /** Begins a put of some bytes that is never finished, as a killed process leaves it. Left out where no time of it is known. */
  readonly begin?: (store: ObjectStore, key: string) => Promise<void>;
}

const HOUR_MS = 3_600_000;

export function objectStoreContract(name: string, subject: StoreSubject): void {
  const { open, manyObjects, largeBytes, unfinished, begin } = subject;

  describe(`${name} keeps the contract of ObjectStore`, () => {
    test('what is put is there: whole, in ranges, empty, and what replaces it', async () => {
      const store = await open();
      await store.put('a/b.txt', whole(text('hello, world')));
      expect(await textOf(store, 'a/b.txt')).toBe('hello, world');
      expect(Buffer.from(await store.get('a/b.txt', 7, 5)).toString()).toBe('world');
      expect(await store.get('a/b.txt', 3, 0)).toHaveLength(0);
      expect(await store.stat('a/b.txt')).toMatchObject({ key: 'a/b.txt', sizeBytes: 12 });
      await store.put('a/b.txt', whole(text('bye')));
      expect(await textOf(store, 'a/b.txt')).toBe('bye');
      await store.put('empty', []);
      expect(await store.stat('empty')).toMatchObject({ sizeBytes: 0 });
      expect(await getWhole(store, 'empty', 10)).toHaveLength(0);
    });

    test('what is not there is said: an object, bytes behind its end, a name that is none', async () => {
      const store = await open();
      await store.put('short', whole(text('12345')));
      expect(await store.stat('none')).toBeUndefined();
      expect(await codeOf(store.get('none', 0, 1))).toBe('NOT_FOUND');
      for (const [offset, length] of [
        [3, 5],
        [5, 1],
        [700, 2],
      ] as const)
        expect(await codeOf(store.get('short', offset, length)), `${length} at ${offset}`).toBe('IO');
      await store.remove('none');
      for (const key of [
        '',
        '/a',
        'a/',
        'a//b',
        '../a',
        'a/../b',
        '.hidden',
        'a b',
        'ä',
        'a\\b',
        `${'x'.repeat(513)}`,
      ]) {
        expect(await codeOf(store.put(key, whole(text('x')))), key).toBe('USAGE');
        expect(await codeOf(store.get(key, 0, 1)), key).toBe('USAGE');
        expect(await codeOf(store.remove(key)), key).toBe('USAGE');
      }
    });

    test('what no part covers is zeros, also where it takes more than a request', async () => {
      const store = await open();
      const near = text('near');
      const far = text('far away');
      const parts: readonly Part[] = [
        { offset: 3, bytes: near },
        { offset: largeBytes - 50, bytes: far },
      ];
      await store.put('gaps', parts, { lengthBytes: largeBytes + 1000 });
      const model = Buffer.alloc(largeBytes + 1000);
      model.set(near, 3);
      model.set(far, largeBytes - 50);
      expect(Buffer.from(await getWhole(store, 'gaps', model.byteLength)).equals(model)).toBe(true);
      expect(Buffer.from(await store.get('gaps', largeBytes - 60, 30))).toEqual(model.subarray(-1060, -1030));
    });

    test('is listed in the order of the names, over pages, by what they begin with', async () => {
      const store = await open();
      const names = ['a-b/x', 'a.b', 'a/x', 'a/y/z', 'a0', 'b/1', 'b/10', 'b/2', 'points/vm-1-a/p', 'points/vm-1/p'];
      const many = Array.from({ length: manyObjects }, (_, i) => `many/${String(i).padStart(5, '0')}`);
      for (let from = 0; from < many.length; from += 16)
        await Promise.all(many.slice(from, from + 16).map((key) => store.put(key, whole(text(key)))));
      for (const key of [...names].reverse()) await store.put(key, whole(text(key)));
      expect(await namesOf(store, '')).toEqual([...names, ...many].sort());
      expect(await namesOf(store, 'many/')).toEqual(many);
      expect(await namesOf(store, 'a/')).toEqual(['a/x', 'a/y/z']);
      expect(await namesOf(store, 'a')).toEqual(names.slice(0, 5));
      expect(await namesOf(store, 'b/1')).toEqual(['b/1', 'b/10']);
      expect(await namesOf(store, 'points/vm-1/')).toEqual(['points/vm-1/p']);
      expect(await namesOf(store, 'nothing/')).toEqual([]);
      for await (const info of store.list('b/')) {
        expect(info).toMatchObject({ sizeBytes: info.key.length });
        expect(
          Math.abs(info.modifiedAt.getTime() - ((await store.stat(info.key))?.modifiedAt.getTime() ?? 0)),
        ).toBeLessThan(1001);
      }
      await store.remove('b/1');
      expect(await namesOf(store, 'b/')).toEqual(['b/10', 'b/2']);
    });

    test('a new one takes no name that is taken; of two at once one stays, whole', async () => {
      const store = await open();
      await store.put('taken', whole(text('first')), { isNew: true });
      expect(await codeOf(store.put('taken', whole(text('second')), { isNew: true }))).toBe('EXISTS');
      expect(await codeOf(store.put('taken', [sized(largeBytes, 2)], { isNew: true }))).toBe('EXISTS');
      expect(await textOf(store, 'taken')).toBe('first');
      const contents = [1, 2].map((fill) => sized(largeBytes, fill));
      const results = await Promise.all(contents.map((part) => codeOf(store.put('race', [part], { isNew: true }))));
      expect(results).toContain('done');
      if (store.settleMs === 0) expect(results).toContain('EXISTS');
      const stored = await getWhole(store, 'race', largeBytes);
      expect(stored).toHaveLength(largeBytes);
      const winner = stored[0] ?? 0;
      expect(results[winner - 1]).toBe('done');
      expect(stored.every((byte) => byte === winner)).toBe(true);
    });

    test.for(['fails', 'is stopped'] as const)(
      'a put whose source %s leaves nothing, and what was there before',
      async (how) => {
        const store = await open();
        await store.put('old', whole(text('as it was')));
        for (const [key, sizes] of [
          ['new', [10]],
          ['old', [10]],
          ['old', [largeBytes, largeBytes]],
        ] as const) {
          const stop = new AbortController();
          const put = store.put(key, breakingOff(sizes, how === 'fails' ? undefined : stop), { signal: stop.signal });
          if (how === 'fails') await expect(put).rejects.toThrow('the source is gone');
          else expect(await codeOf(put)).toBe('CANCELLED');
        }
        expect(await namesOf(store, '')).toEqual(['old']);
        expect(await textOf(store, 'old')).toBe('as it was');
        expect(await unfinished(store)).toBe(0);
      },
    );

    // Where a store tells no times of what is not an object, there is nothing to ask.
    if (begin === undefined) return;
    test('what was begun is no object, and is swept when nobody has touched it', async () => {
      const store = await open();
      await begin(store, 'half/done');
      expect(await store.stat('half/done')).toBeUndefined();
      expect(await namesOf(store, '')).toEqual([]);
      expect(await store.sweep(new Date(Date.now() - HOUR_MS)), 'somebody may be at work').toBe(0);
      expect(await unfinished(store)).toBe(1);
      expect(await store.sweep(new Date(Date.now() + HOUR_MS))).toBeGreaterThan(0);
      expect(await unfinished(store)).toBe(0);
    });
  });
}

const text = (value: string): Buffer => Buffer.from(value);

const sized = (bytes: number, fill: number): Part => ({ offset: 0, bytes: Buffer.alloc(bytes, fill) });

/** Parts of these sizes; then it fails, or the caller has stopped it. */
async function* breakingOff(sizes: readonly number[], stop: AbortController | undefined): AsyncGenerator<Part> {
  let offset = 0;
  for (const size of sizes) {
    yield { offset, bytes: Buffer.alloc(size, 7) };
    offset += size;
  }
  if (stop === undefined) throw new Error('the source is gone');
  stop.abort();
  yield { offset, bytes: Buffer.alloc(1) };
}

async function textOf(store: ObjectStore, key: string): Promise<string> {
  return Buffer.from(await getWhole(store, key, 1000)).toString();
}

async function namesOf(store: ObjectStore, prefix: string): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { key } of store.list(prefix)) names.push(key);
  return names;
}

/** How it ended: `done`, or the code of its error. */
async function codeOf(action: Promise<unknown>): Promise<VhdErrorCode | 'done'> {
  try {
    await action;
    return 'done';
  } catch (error) {
    if (isVhdError(error)) return error.code;
    throw error;
  }
}
