/**
 * S35: names come from directories, guests, browsers and other users. None of their signs is one that a terminal obeys, or
 * that turns the text around it, wherever they are written: tables, `--json`, errors, the log; and new names have none.
 */
import { describe, expect, test } from 'vitest';
import { createToken } from '../../gateway/api/auth.ts';
import { createRepository } from '../../gateway/api/backup.ts';
import { createCheckpoint } from '../../gateway/api/checkpoint.ts';
import { createDisk, createSnapshot, importImage } from '../../gateway/api/disk.ts';
import { createHost, editHost } from '../../gateway/api/host.ts';
import { createGroup, createUser, editGroup } from '../../gateway/api/people.ts';
import { sendMessage } from '../../gateway/api/session.ts';
import { createStorage, editStorage } from '../../gateway/api/storage.ts';
import { isDeceptive, printableJson, readShown, shown } from '../../gateway/api/text.ts';
import { UploadMetadata } from '../../gateway/api/upload.ts';
import { createVm, editVm } from '../../gateway/api/vm.ts';
import { sheet, shownLines, table } from '../../gateway/src/cli/base/output.ts';
import { openLog } from '../../gateway/src/log.ts';
import { dispositionOf } from '../../gateway/src/storage/library/exports.ts';

const SIGNS = [
  '\u001b[2J',
  '\u009b2J',
  '\u0007',
  '\r',
  '\u202e',
  '\u2066',
  '\u200b',
  '\u2028',
  '\u007f',
  '\ud800',
  '\u{e0041}',
];
/** Of what is written, apart from our own line breaks. */
const obeyed = (text: string): boolean => isDeceptive(text.replaceAll('\n', ''));

describe('S35 signs', () => {
  // Seen to fail with JSON.stringify alone (C1, U+202E and the others), and with tables that show what they are given.
  test.for(SIGNS.map((sign) => [JSON.stringify(sign), sign] as const))('%s is shown, not obeyed', ([, sign]) => {
    const name = `a${sign}b`;
    expect(obeyed(table([{ name }], [{ title: 'name', value: (row) => row.name }]))).toBe(false);
    expect(obeyed(sheet([['name', name]]))).toBe(false);
    expect(obeyed(shownLines(`oriel: there is no user ${name}\n`))).toBe(false);
    const json = printableJson(JSON.stringify({ name, list: [name] }, null, 2));
    expect(obeyed(json)).toBe(false);
    expect(JSON.parse(json)).toEqual({ name, list: [name] });
    const lines: string[] = [];
    openLog({ destination: { write: (line) => void lines.push(line) } }).info({ userAgent: name }, name);
    expect(lines.map(obeyed)).toEqual([false]);
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ userAgent: name });
  });

  // Names that are older than the schemas. Seen to fail with JSON.parse in place of `readShown`.
  test.for(SIGNS.map((sign) => [JSON.stringify(sign), sign] as const))('%s is shown by a page', ([, sign]) => {
    const reply = { items: [{ name: `a${sign}b`, text: 'one\ntwo\tthree', n: 1 }] };
    for (const json of [JSON.stringify(reply), printableJson(JSON.stringify(reply))])
      expect(readShown(json)).toEqual({ items: [{ name: shown(`a${sign}b`), text: 'one\ntwo\tthree', n: 1 }] });
  });

  // Seen to fail with the name as it is kept.
  test.for(SIGNS.map((sign) => [JSON.stringify(sign), sign] as const))('%s is in no name of a download', ([, sign]) => {
    const [, plain = '', full = ''] =
      /filename="(.*)"; filename\*=UTF-8''(.*)$/.exec(dispositionOf(`a${sign}b.vhd`)) ?? [];
    expect([obeyed(plain), isDeceptive(decodeURIComponent(full))]).toEqual([false, false]);
    expect(full).toMatch(/^a.*b\.vhd$/);
  });

  test('names of every script, and emoji with joiners, stay as they are', () => {
    for (const name of ['José', "o'brien", '山田', 'Łukasz', 'می‌خواهم', '👩‍🔧'.replace('\u200d', '\u200d')]) {
      expect(isDeceptive(name)).toBe(false);
      expect(shown(name)).toBe(name);
    }
  });

  test('are in no new name', () => {
    const bodies = {
      'a group': (name: string) => createGroup.body?.safeParse({ name }),
      'a group that is renamed': (name: string) => editGroup.body?.safeParse({ name }),
      "a directory's group": (name: string) => editGroup.body?.safeParse({ external: name }),
      'an account': (name: string) => createUser.body?.safeParse({ name: 'ann', displayName: name }),
      'a sign-in name': (name: string) => createUser.body?.safeParse({ name }),
      'a VM': (name: string) => createVm.body?.safeParse({ name, source: { from: 'none' } }),
      'a VM that is renamed': (name: string) => editVm.body?.safeParse({ name }),
      'what is said of a VM': (description: string) => editVm.body?.safeParse({ description }),
      'a disk': (name: string) => createDisk.body?.safeParse({ name, source: { from: 'image', imageId: 'i' } }),
      'an image': (name: string) => importImage.body?.safeParse({ name, file: 'f' }),
      'a file that is uploaded': (filename: string) => UploadMetadata.safeParse({ filename }),
      'a repository': (name: string) =>
        createRepository.body?.safeParse({ name, place: { kind: 'folder', path: '/r' } }),
      'a snapshot': (name: string) => createSnapshot.body?.safeParse({ name }),
      'a checkpoint': (name: string) => createCheckpoint.body?.safeParse({ name }),
      'a host': (name: string) => createHost.body?.safeParse({ name, kind: 'qemu' }),
      'a host that is renamed': (name: string) => editHost.body?.safeParse({ name }),
      'a storage': (name: string) => createStorage.body?.safeParse({ id: 's', name, socketPath: '/s' }),
      'a storage that is renamed': (name: string) => editStorage.body?.safeParse({ name }),
      'a message': (text: string) => sendMessage.body?.safeParse({ text }),
      'a token': (name: string) => createToken.body?.safeParse({ name, scopes: ['see'] }),
    };
    for (const [what, parse] of Object.entries(bodies))
      for (const sign of SIGNS)
        expect([what, JSON.stringify(sign), parse(`a${sign}b`)?.success]).toEqual([what, JSON.stringify(sign), false]);
  });

  test('and a sign-in name has one spelling, of one alphabet', () => {
    const nameOf = (name: string): string | undefined => createUser.body?.safeParse({ name }).data?.name;
    expect(['José', 'JOSÉ', 'José'.normalize('NFD'), 'ｊｏｓé'].map(nameOf)).toEqual(['josé', 'josé', 'josé', 'josé']);
    expect(["O'Brien", '山田', 'müller-2', 'ann@example.org'].map(nameOf)).toEqual([
      "o'brien",
      '山田',
      'müller-2',
      'ann@example.org',
    ]);
    // Cyrillic а, Greek ο.
    expect(['\u0430dmin', 'r\u03bfot', '-ann', 'a b', 'a/b', "'ann", ''].map(nameOf)).toEqual(Array(7).fill(undefined));
  });
});
