import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { temporaryName } from '../storage/temporary.ts';
import { FolderStore } from './folder-store.ts';

let folder: string;
let store: FolderStore;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-objects-'));
  mkdirSync(path.join(folder, 'repository', 'points'), { recursive: true });
  mkdirSync(path.join(folder, 'elsewhere'));
  store = new FolderStore(path.join(folder, 'repository'));
});
afterEach(() => rmSync(folder, { recursive: true }));

// Seen to fail without the look for links: the file elsewhere was read, listed, and taken away by the sweep.
test('S58: what lies in a repository is not followed, wherever a link leads', async () => {
  const elsewhere = path.join(folder, 'elsewhere');
  const [secret, unfinished] = [path.join(elsewhere, 'secret'), temporaryName(path.join(elsewhere, 'disk'))];
  for (const file of [secret, unfinished]) {
    writeFileSync(file, 'theirs');
    utimesSync(file, 1, 1);
  }
  symlinkSync(elsewhere, path.join(folder, 'repository', 'points', 'folder'));
  symlinkSync(secret, path.join(folder, 'repository', 'points', 'file'));
  const listed: string[] = [];
  for await (const { key } of store.list('points/')) listed.push(key);
  expect(listed).toEqual([]);
  expect(await store.sweep(new Date())).toBe(0);
  for (const key of ['points/file', 'points/folder/secret']) {
    await expect(store.get(key, 0, 6)).rejects.toMatchObject({ code: 'PARENT_OUTSIDE' });
    await expect(store.stat(key)).rejects.toMatchObject({ code: 'PARENT_OUTSIDE' });
    await expect(store.remove(key)).rejects.toMatchObject({ code: 'PARENT_OUTSIDE' });
    await expect(store.put(key, [])).rejects.toMatchObject({ code: 'PARENT_OUTSIDE' });
  }
  expect([secret, unfinished].map((file) => existsSync(file))).toEqual([true, true]);
});
