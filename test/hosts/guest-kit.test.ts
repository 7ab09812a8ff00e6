/** What the builders of the guests share: a file of the guest is never one of the machine that builds it. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { put } from '../../hosts/guests/guest-kit.mjs';

const folder = mkdtempSync(path.join(tmpdir(), 'oriel-guest-kit-'));
const root = path.join(folder, 'root');
const outside = path.join(folder, 'outside');
afterAll(() => rmSync(folder, { recursive: true }));
beforeEach(() => {
  rmSync(root, { recursive: true, force: true });
  mkdirSync(path.join(root, 'sbin'), { recursive: true });
  mkdirSync(outside, { recursive: true });
  writeFileSync(path.join(outside, 'init'), 'of this machine');
});

// Seen to fail with a plain writeFileSync, as root: the init of the machine that built became that of the guest.
test('a link that a package brings is replaced, not written through', () => {
  symlinkSync(path.join(outside, 'init'), path.join(root, 'sbin/init'));
  put(root, 'sbin/init', 'of the guest', 0o755);
  expect(readFileSync(path.join(root, 'sbin/init'), 'utf8')).toBe('of the guest');
  expect(readFileSync(path.join(outside, 'init'), 'utf8')).toBe('of this machine');
});

// Seen to fail without the look at where each folder of the path is.
test('a folder that leads out of the guest is refused', () => {
  symlinkSync(outside, path.join(root, 'lib'));
  expect(() => put(root, 'lib/init', 'of the guest')).toThrow('lib of the guest leads out of it');
  expect(() => put(root, 'lib/deep/init', 'of the guest')).toThrow('leads out of it');
  expect(readdirSync(outside)).toEqual(['init']);
  expect(readFileSync(path.join(outside, 'init'), 'utf8')).toBe('of this machine');
});
