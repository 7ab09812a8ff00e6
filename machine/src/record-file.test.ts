import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readRecord, writeRecord } from './record-file.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-record-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a record file', () => {
  test.for([true, false])('is replaced as a whole, for its owner alone (synced: %s)', async (isSynced) => {
    const path = join(folder, 'a.json');
    writeFileSync(path, 'x', { mode: 0o644 });
    await writeRecord(path, { a: 1 }, { isSynced });
    expect(await readRecord(path)).toEqual({ a: 1 });
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  test('that cannot be written stays as it was, with nothing beside it', async () => {
    const path = join(folder, 'a.json');
    await writeRecord(path, { a: 1 });
    const circle: Record<string, unknown> = {};
    circle['self'] = circle;
    await expect(writeRecord(path, circle)).rejects.toThrow('circular');
    await expect(writeRecord(join(folder, 'a.json', 'b'), 1)).rejects.toMatchObject({ code: 'ENOTDIR' });
    expect(await readRecord(path)).toEqual({ a: 1 });
    expect(readdirSync(folder)).toEqual(['a.json']);
  });

  test.for([
    { it: 'missing', text: undefined, code: undefined },
    { it: 'empty', text: '', code: 'DAMAGED' },
    { it: 'cut off', text: '{"a":', code: 'DAMAGED' },
    { it: 'too large', text: `"${'x'.repeat(1 << 20)}"`, code: 'DAMAGED' },
  ])('that is $it is $code', async ({ text, code }) => {
    const path = join(folder, 'b.json');
    if (text !== undefined) writeFileSync(path, text);
    if (code === undefined) expect(await readRecord(path)).toBeUndefined();
    else await expect(readRecord(path)).rejects.toMatchObject({ code });
  });
});
