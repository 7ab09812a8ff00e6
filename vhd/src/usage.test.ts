/** Whatever a call of the library is handed: it works, or it is a VhdError with a code, and never an error of ours about types. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import * as library from './index.ts';

type Call = (...args: readonly unknown[]) => unknown;

/** Those that are handed a path, and options behind it. */
const ON_PATHS = {
  checkImage: {},
  chainInfo: {},
  compactImage: {},
  contentOf: undefined,
  createChild: { parent: 'base.vhd' },
  createImage: { sizeBytes: 512 },
  finishPending: {},
  imageInfo: {},
  mergeImage: {},
  openAnySource: {},
  openChain: {},
  openImage: {},
  openSource: {},
  rebaseImage: { parent: 'base.vhd' },
  repairImage: {},
  resizeImage: { sizeBytes: 512 },
  snapshotImage: {},
  lockHolder: undefined,
};
/** Those that are handed a disk. */
const ON_DISKS = ['convertDisk', 'convertToForeign', 'diffDisks', 'exportStream', 'hashDisk', 'mapDisk', 'serveNbd'];
const WRONG_OPTIONS: readonly Readonly<Record<string, unknown>>[] = [
  { sizeBytes: '40G' },
  { sizeBytes: Number.NaN },
  { blockBytes: '2M' },
  { parent: 7 },
  { parent: '' },
  { as: 7 },
  { into: {} },
  { format: 'x' },
  { from: 'x' },
  { to: 'vhdx' },
  { uuid: 5 },
  { uuid: 'nonsense' },
  { now: 5 },
  { policy: 7 },
  { policy: { folders: 'x' } },
  { policy: { folders: [5] } },
  { signal: 5 },
  { onProgress: 5 },
  { storage: 'x' },
  { isReplacing: 'yes' },
  { type: 'differencing' },
];

let folder: string;
let disk: library.Disk;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-usage-'));
  for (const name of ['a.vhd', 'base.vhd']) await library.createImage(join(folder, name), { sizeBytes: 1 << 20 });
  disk = await library.openSource(join(folder, 'a.vhd'));
});
afterAll(async () => {
  await disk.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The code of how a call ended; `ok` where it worked. */
async function codeOf(name: string, ...args: readonly unknown[]): Promise<string> {
  try {
    const result = await (library as unknown as Record<string, Call>)[name]?.(...args);
    if (typeof result === 'object' && result !== null) {
      if (Symbol.asyncIterator in result) await (result as AsyncGenerator).next();
      if ('close' in result && result !== disk) await (result as library.Disk).close();
    }
    return 'ok';
  } catch (error) {
    return library.isVhdError(error) ? error.code : `${(error as Error).name}: ${(error as Error).message}`;
  }
}

describe('wrong usage is USAGE', () => {
  test.for(Object.keys(ON_PATHS))('of %s', async (name) => {
    for (const path of [undefined, null, 42, '', 'a\0b', {}, disk])
      expect({ path, code: await codeOf(name, path, ON_PATHS[name as 'openChain']) }).toEqual({ path, code: 'USAGE' });
    const path = join(folder, 'a.vhd');
    for (const options of ON_PATHS[name as 'openChain'] === undefined ? [] : [null, 42, 'x', ...WRONG_OPTIONS]) {
      // An option that the call does not know is not looked at by all of them.
      const code = await codeOf(name, path, options);
      expect({ options, code }).toEqual({
        options,
        code: expect.stringMatching(/^(USAGE|UNSUPPORTED|ok|NO_PARENT|EXISTS)$/),
      });
    }
  });

  test.for(ON_DISKS)('of %s', async (name) => {
    for (const args of [[], [null], ['a.vhd'], [{}], [disk, 7, { to: 'raw' }], [disk, 'x'], [disk, 'x', { to: 'x' }]]) {
      const code = await codeOf(name, ...args);
      expect({ args, code }).toEqual({ args, code: expect.stringMatching(/^(USAGE|ok)$/) });
    }
  });

  test('of what takes text', async () => {
    for (const [name, value] of [
      ['parseSize', undefined],
      ['connectNbd', 'here'],
      ['connectNbd', 5],
    ] as const)
      expect({ name, code: await codeOf(name, value) }).toEqual({ name, code: 'USAGE' });
    for (const name of ['runDiskService', 'startDiskService'])
      for (const options of [undefined, {}, { storage: folder }])
        expect({ name, code: await codeOf(name, options) }).toEqual({ name, code: 'USAGE' });
  });
});
