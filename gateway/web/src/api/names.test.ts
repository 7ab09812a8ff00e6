import { expect, test } from 'vitest';
import { nameIn, withNames } from './names.ts';

const VM = '9f54b1c2-0d3e-4f5a-8b6c-7d8e9f0a1b2c';
const USER = 'abcdefgh23456789';
const known: Readonly<Record<string, string>> = { [VM]: 'build box', [USER]: 'ada' };
const nameOf = (id: string) => known[id];
const nobody = () => undefined;

test.for([
  [`there is no desktop ${VM}`, 'there is no desktop build box', 'there is no such desktop'],
  [`no VM ${VM}`, 'no VM build box', 'no such VM'],
  [`session ${VM} has ended`, 'session build box has ended', 'this session has ended'],
  [
    `this needs the right "open" on desktop ${VM}`,
    'this needs the right "open" on desktop build box',
    'this needs the right "open" on this desktop',
  ],
  [
    `${VM} wants 8192 MiB of memory, the host has 12 MiB left`,
    'build box wants 8192 MiB of memory, the host has 12 MiB left',
    'it wants 8192 MiB of memory, the host has 12 MiB left',
  ],
  [`QEMU for ${VM} ended at once`, 'QEMU for build box ended at once', 'QEMU for it ended at once'],
  [`there is no user ${USER}`, 'there is no user ada', 'there is no such user'],
  [
    `${USER} is assigned to desktop ${VM} already`,
    'ada is assigned to desktop build box already',
    'it is assigned to this desktop already',
  ],
  ['responsibilities are not ids, and room 101 is none', 'responsibilities are not ids, and room 101 is none', ''],
] as const)('%s', ([text, named, unnamed]) => {
  expect(withNames(text, nameOf)).toBe(named);
  expect(withNames(text, nobody)).toBe(unnamed === '' ? text : unnamed);
});

test('a name is found in whatever the page was told', () => {
  expect(nameIn({ pages: [{ items: [{ id: VM, name: 'build box' }] }] }, VM)).toBe('build box');
  expect(nameIn({ id: 's1', desktopId: VM, desktopName: 'build box' }, VM)).toBe('build box');
  expect(nameIn([{ id: 'other', name: 'x' }, null, 3], VM)).toBeUndefined();
});
