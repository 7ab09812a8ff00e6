/** Finding parents on real files: all notations, and that no path in a file leads out of the folders that may be read. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Header, LocatorEntry } from '../formats/vhd/codec/header.ts';
import { encodeLocatorPath, type LocatorCode } from '../formats/vhd/codec/locator.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import { checkImage } from '../ops/check.ts';
import { createChild } from '../ops/create.ts';
import { snapshotImage } from '../ops/snapshot.ts';
import { fileSystem } from '../storage/storage.ts';
import { makeChild, makeImage } from '../testing/images.ts';
import { codesOf, contentOf, makeWritten, patch, patchFooters, patchHeader, SIZE } from '../testing/written.ts';
import { findChildren } from './children.ts';
import { openChain } from './open.ts';

describe('finding the parent, on real files', () => {
  let root = '';
  const at = (...parts: string[]): string => path.join(root, ...parts);

  beforeEach(async () => {
    root = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-open-')));
    for (const folder of ['in', 'in/sub', 'out']) fs.mkdirSync(at(folder));
    await makeWritten(fileSystem, at('in/base.vhd'));
    await makeChild(fileSystem, at('in/child.vhd'), at('in/base.vhd'));
  });

  afterEach(() => {
    fs.rmSync(root, { recursive: true });
  });

  /** Gives the child locators of our choice, each in its own sector between header and table. */
  function setLocators(texts: readonly (readonly [LocatorCode, string])[], changes: Partial<Header> = {}): void {
    const locators: LocatorEntry[] = texts.map(([code, text], i) => {
      const bytes = encodeLocatorPath(code, text);
      patch(fileSystem, at('in/child.vhd'), 8192 + i * 2048, bytes);
      return { code, spaceBytes: 2048, lengthBytes: bytes.byteLength, offsetBytes: 8192 + i * 2048 };
    });
    patchHeader(fileSystem, at('in/child.vhd'), { locators, parentName: '', ...changes });
  }

  const child = (): string => at('in/child.vhd');

  test('quirk 13: relative, absolute, the name beside the child; all notations', async () => {
    for (const [code, text] of [
      ['W2ru', '.\\base.vhd'],
      ['W2ru', 'base.vhd'],
      ['W2ru', '.\\sub\\..\\base.vhd'],
      ['MacX', './base.vhd'],
      ['MacX', at('in/base.vhd')],
      ['W2ku', at('in/base.vhd')],
      ['W2ku', `C:${at('in/base.vhd').replaceAll('/', '\\')}`],
    ] as const) {
      setLocators([[code, text]]);
      expect(await contentOf(fileSystem, child())).toBe(9);
    }
    setLocators([], { parentName: 'base.vhd' });
    expect(await contentOf(fileSystem, child())).toBe(9);
  });

  test('quirk 14: the identity decides; a file of another one is passed over, and named where there is no other', async () => {
    await makeImage(fileSystem, at('in/wrong.vhd'), { sizeBytes: SIZE });
    setLocators([
      ['W2ru', './wrong.vhd'],
      ['W2ku', at('in/base.vhd')],
    ]);
    expect(await contentOf(fileSystem, child())).toBe(9);
    setLocators([['W2ru', './wrong.vhd']]);
    await expect(openChain(child())).rejects.toMatchObject({
      code: 'PARENT_MISMATCH',
      message: expect.stringContaining('wrong.vhd'),
    });
    setLocators([['W2ru', './gone.vhd']]);
    await expect(openChain(child())).rejects.toMatchObject({ code: 'PARENT_NOT_FOUND' });
  });

  test('quirk 14: another modification time is a finding', async () => {
    const disk = await openChain(child());
    expect(disk.findings).toEqual([]);
    await disk.close();
    fs.utimesSync(at('in/base.vhd'), 1, 1);
    expect(await codesOf(fileSystem, child())).toEqual(['PARENT_TIME']);
  });

  test('quirk 14: a parent without identity is a raw file', async () => {
    fs.writeFileSync(at('in/raw.img'), Buffer.alloc(SIZE, 3));
    setLocators([['W2ru', './raw.img']], { parentUuid: NIL_IDENTITY });
    expect(await contentOf(fileSystem, child())).toBe(3);
  });

  test.for([
    { it: 'a VHD of other identity', name: 'other.vhd' },
    { it: 'a VHD that is called like a raw disk', name: 'other.img' },
    { it: 'a VHD without its trailing footer', name: 'cut.img' },
    { it: 'a qcow2', name: 'base.img' },
    { it: 'called .vhd and nothing of one', name: 'lost.vhd' },
  ])('quirk 23: a child whose parent has no identity does not take $it for a raw disk', async ({ name }) => {
    await makeWritten(fileSystem, at('in/other.vhd'));
    fs.copyFileSync(at('in/other.vhd'), at('in/other.img'));
    fs.copyFileSync(at('in/other.vhd'), at('in/cut.img'));
    fs.truncateSync(at('in/cut.img'), fs.statSync(at('in/cut.img')).size - 512);
    fs.writeFileSync(at('in/base.img'), Buffer.concat([Buffer.from('514649fb00000003', 'hex'), Buffer.alloc(SIZE)]));
    fs.writeFileSync(at('in/lost.vhd'), Buffer.alloc(SIZE));
    setLocators([['W2ru', `./${name}`]], { parentUuid: NIL_IDENTITY });
    await expect(openChain(child())).rejects.toMatchObject({ code: 'PARENT_MISMATCH' });
  });

  test('quirk 23: a VHD without identity is the parent by its name, is read as a VHD, and it is said', async () => {
    patchFooters(fileSystem, at('in/base.vhd'), { uuid: NIL_IDENTITY });
    setLocators([['W2ru', './base.vhd']], { parentUuid: NIL_IDENTITY });
    expect(await contentOf(fileSystem, child())).toBe(9);
    expect(await codesOf(fileSystem, child())).toContain('PARENT_NAMELESS');
    expect(await checkImage(child(), { isChain: true })).toContainEqual(
      expect.objectContaining({ code: 'PARENT_NAMELESS', severity: 'warning' }),
    );
    expect(findChildren(at('in/base.vhd'), NIL_IDENTITY, fileSystem)).toEqual([child()]);
    expect(findChildren(at('in/other.vhd'), NIL_IDENTITY, fileSystem)).toEqual([]);
  });

  test('quirk 23: no child is made of an image without identity', async () => {
    await makeWritten(fileSystem, at('in/old.vhd'));
    patchFooters(fileSystem, at('in/old.vhd'), { uuid: NIL_IDENTITY });
    await expect(createChild(at('in/k.vhd'), { parent: at('in/old.vhd') })).rejects.toMatchObject({
      code: 'NO_IDENTITY',
      message: expect.stringContaining(`oriel vhd identify ${at('in/old.vhd')}`),
    });
    await expect(snapshotImage(at('in/old.vhd'))).rejects.toMatchObject({ code: 'NO_IDENTITY' });
    expect(fs.readdirSync(at('in')).filter((name) => /k\.vhd|oriel/.test(name))).toEqual([]);
    expect(fs.statSync(at('in/old.vhd')).mode & 0o200).toBe(0o200);
  });

  test.for([
    { it: 'climbs out', text: '../out/base.vhd', code: 'PARENT_OUTSIDE' },
    { it: 'climbs far out', text: '../../../../../../../../etc/passwd', code: 'PARENT_OUTSIDE' },
    { it: 'is absolute and outside', text: '/etc/passwd', code: 'PARENT_OUTSIDE' },
    { it: 'is on another machine', text: '\\\\server\\share\\base.vhd', code: 'PARENT_OUTSIDE' },
    { it: 'is a device', text: '/dev/zero', code: 'PARENT_OUTSIDE' },
    { it: 'leads out by a link', text: './link.vhd', code: 'PARENT_OUTSIDE' },
    { it: 'leads out by a linked folder', text: './linked/base.vhd', code: 'PARENT_OUTSIDE' },
    { it: 'starts with -', text: '-o', code: 'PARENT_NOT_FOUND' },
    { it: 'is empty', text: '', code: 'PARENT_NOT_FOUND' },
    { it: 'is the folder', text: '.', code: 'PARENT_OUTSIDE' },
    { it: 'is very long', text: `./${'x'.repeat(4000)}`, code: 'PARENT_NOT_FOUND' },
    { it: 'is a folder below', text: './sub', code: 'PARENT_MISMATCH' },
  ])('a locator that $it is not followed: $code', async ({ text, code }) => {
    // What it leads to has the right identity: only the policy keeps it from being used.
    fs.copyFileSync(at('in/base.vhd'), at('out/base.vhd'));
    fs.symlinkSync(at('out/base.vhd'), at('in/link.vhd'));
    fs.symlinkSync(at('out'), at('in/linked'));
    for (const notation of ['W2ru', 'W2ku', 'MacX'] as const) {
      const locator = encodeLocatorPath(notation, text).byteLength < 2048 ? [[notation, text] as const] : [];
      setLocators(locator);
      await expect(openChain(child())).rejects.toMatchObject({
        code: locator.length === 0 ? 'PARENT_NOT_FOUND' : code,
      });
    }
  });

  test('a policy allows other folders, also through links', async () => {
    fs.renameSync(at('in/base.vhd'), at('out/base.vhd'));
    setLocators([['W2ru', '../out/base.vhd']]);
    expect(await contentOf(fileSystem, child(), { policy: { folders: [at('out')] } })).toBe(9);
    fs.symlinkSync(at('out'), at('alias'));
    expect(await contentOf(fileSystem, child(), { policy: { folders: [at('alias')] } })).toBe(9);
    await expect(openChain(child(), { policy: { folders: [at('in/sub')] } })).rejects.toMatchObject({
      code: 'PARENT_OUTSIDE',
    });
  });

  test.for([
    { it: 'in another case', text: '.\\BASE.VHD' },
    { it: 'in another case, behind the drive of another machine', text: 'D:\\VMs\\Base.vhd', name: 'Base.vhd' },
    { it: 'in a folder of another case', text: './SUB/Base.vhd', to: 'in/sub/base.vhd' },
    { it: 'moved to a folder that is named', text: './base.vhd', to: 'out/base.vhd', isNamed: true },
    { it: 'moved, with the folder that it is in', text: './t/base.vhd', to: 'out/t/base.vhd', isNamed: true },
    { it: 'moved, and in another case', text: 'C:\\VMs\\BASE.vhd', to: 'out/base.vhd', isNamed: true },
    { it: 'with an accent in two signs', text: './b\u00e9.vhd', to: 'in/be\u0301.vhd' },
  ])('a parent is found $it', async ({ text, name = '', to = 'in/base.vhd', isNamed = false }) => {
    fs.mkdirSync(path.dirname(at(to)), { recursive: true });
    fs.renameSync(at('in/base.vhd'), at(to));
    setLocators([['W2ru', text]], { parentName: name });
    expect(await contentOf(fileSystem, child(), isNamed ? { policy: { folders: [at('out')] } } : {})).toBe(9);
    if (isNamed) await expect(openChain(child())).rejects.toMatchObject({ code: expect.stringMatching(/^PARENT_/) });
  });

  test('what has no identity is neither searched for nor found in another case: its path is all that ties it', async () => {
    fs.writeFileSync(at('out/raw.img'), Buffer.alloc(SIZE, 3));
    fs.writeFileSync(at('in/RAW.img'), Buffer.alloc(SIZE, 3));
    setLocators([['W2ru', './raw.img']], { parentUuid: NIL_IDENTITY });
    await expect(openChain(child(), { policy: { folders: [at('out')] } })).rejects.toMatchObject({
      code: 'PARENT_NOT_FOUND',
    });
  });

  test('a search takes only what has the identity, and no link leads it out', async () => {
    await makeWritten(fileSystem, at('in/sub/base.vhd'));
    fs.renameSync(at('in/base.vhd'), at('out/base.vhd'));
    const policy = { folders: [at('in/sub')] };
    await expect(openChain(child(), { policy })).rejects.toMatchObject({ code: 'PARENT_MISMATCH' });
    fs.rmSync(at('in/sub/base.vhd'));
    fs.symlinkSync(at('out/base.vhd'), at('in/sub/base.vhd'));
    await expect(openChain(child(), { policy })).rejects.toMatchObject({ code: 'PARENT_NOT_FOUND' });
  });

  test('who finds no parent says which names were looked for, where, and what to do', async () => {
    fs.rmSync(at('in/base.vhd'));
    setLocators([
      ['W2ru', '.\\Base.vhd'],
      ['W2ku', 'C:\\VMs\\Base.vhd'],
    ]);
    const error = await openChain(child(), { policy: { folders: [at('out')] } }).then(
      undefined,
      (cause: unknown) => cause,
    );
    expect(error).toMatchObject({ code: 'PARENT_NOT_FOUND' });
    for (const text of [
      'not found (Base.vhd, identity ',
      `not there: ${at('in/Base.vhd')}, ${at('out/VMs/Base.vhd')}, ${at('out/Base.vhd')}`,
      'outside of the folders that may be read: C:\\VMs\\Base.vhd.',
      '--parents FOLDER',
      `oriel vhd rebase ${child()} --parent FILE --unsafe`,
    ])
      expect(String(error)).toContain(text);
  });

  test('the policy is that of the leaf, not of a link on the way', async () => {
    fs.copyFileSync(at('in/base.vhd'), at('out/base.vhd'));
    await makeChild(fileSystem, at('out/middle.vhd'), at('out/base.vhd'));
    await makeChild(fileSystem, at('in/top.vhd'), at('out/middle.vhd'));
    await expect(openChain(at('in/top.vhd'))).rejects.toMatchObject({ code: 'PARENT_OUTSIDE' });
  });
});
