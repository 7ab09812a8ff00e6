/**
 * S53: what a release brings along is what was looked at: every archive has its hash in the lock file, every package a licence
 * that is taken. Seen to fail with a package of another licence, and with one hash taken out.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { isTaken, judge } from '../../tools/licences.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
type Packages = Record<string, Record<string, unknown>>;
const { packages } = JSON.parse(readFileSync(`${ROOT}/package-lock.json`, 'utf8')) as { packages: Packages };

describe('S53 the packages', () => {
  test('have licences that are taken, and hashes', () => {
    expect(judge(packages, ROOT).complaints).toEqual([]);
    expect([...judge(packages, ROOT).licences.values()].flat().length).toBeGreaterThan(100);
  });
  test.for<[string, Record<string, unknown>]>([
    ['GPL-3.0-only is not taken', { license: 'GPL-3.0-only', integrity: 'sha512-x', resolved: 'x' }],
    ['AGPL-3.0 AND MIT is not taken', { license: 'AGPL-3.0 AND MIT', integrity: 'sha512-x', resolved: 'x' }],
    ['no sha512', { license: 'MIT', resolved: 'x' }],
    ['no sha512', { license: 'MIT', resolved: 'x', integrity: 'sha1-x' }],
    ['names no licence', { integrity: 'sha512-x', resolved: 'x' }],
  ])('%s', ([said, entry]) => {
    const { complaints } = judge({ 'node_modules/x': entry }, ROOT);
    expect(complaints.join()).toContain(said);
  });
  test('of a choice one is enough, of both both are needed', () => {
    expect(['MIT OR GPL-2.0', '(MIT AND Zlib)', 'MIT AND GPL-2.0', 'GPL-2.0 OR LGPL-3.0'].map(isTaken)).toEqual([
      true,
      true,
      false,
      false,
    ]);
  });
});
