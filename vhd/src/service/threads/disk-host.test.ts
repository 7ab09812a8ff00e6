/** What a thread that serves disks answers about one that it does not have, or not yet. */
import { expect, test } from 'vitest';
import { listenNbd } from '../../nbd/server.ts';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import { DiskHost, type DiskHostApi } from './disk-host.ts';

/** `open` makes the disk, and closing what is not open is done already. */
const METHODS: readonly Exclude<keyof DiskHostApi, 'open' | 'close'>[] = [
  'lease',
  'report',
  'setRates',
  'setSnapshots',
  'hold',
  'release',
  'push',
  'pushed',
  'splice',
  'copyUp',
  'flush',
  'links',
  'detach',
  'reopen',
];

test.for(METHODS)(
  '%s of a disk that is not open is refused by a promise, since a throw would end the thread',
  async (method) => {
    const host = new DiskHost({
      storage: new MemoryStorage(),
      listen: listenNbd,
      onFault: () => undefined,
      onTrouble: () => undefined,
    });
    const call = host[method] as (key: string, ...rest: readonly unknown[]) => Promise<unknown>;
    let answer: Promise<unknown> | undefined;
    expect(() => {
      answer = call.call(host, 'no-such-disk', '/nowhere/a.vhd', '/nowhere/b.vhd', 0, 1);
    }).not.toThrow();
    await expect(answer).rejects.toThrow();
  },
);
