import { describe, expect, test } from 'vitest';
import { parseFileUri, parseNbdUri, SPEC_LIMITS, type VmSpecInput, vmSpec } from './spec.ts';
import { diffSpecs } from './spec-diff.ts';

const uri = 'nbd+unix:///a?socket=/run/d';

describe('vmSpec', () => {
  test('fills the defaults, and is its own fixed point', () => {
    const spec = vmSpec({ id: 'a', disks: [{ id: 'd', uri }] });
    expect(spec).toMatchObject({
      name: 'a',
      generation: 1,
      machine: 'q35',
      vcpus: 1,
      disks: [{ bus: 'virtio-blk', isReadOnly: false }],
    });
    expect(vmSpec(spec)).toEqual(spec);
    expect(vmSpec(JSON.parse(JSON.stringify(spec)) as VmSpecInput)).toEqual(spec);
  });

  test.for([
    { it: 'id with a slash', input: { id: 'a/b' } },
    { it: 'id with dots', input: { id: '..' } },
    { it: 'id that is an option', input: { id: '-a' } },
    { it: 'empty id', input: { id: '' } },
    { it: 'id of 37 characters', input: { id: 'a'.repeat(37) } },
    { it: 'name with a line break', input: { id: 'a', name: 'a\nb' } },
    { it: 'name of 129 characters', input: { id: 'a', name: 'x'.repeat(SPEC_LIMITS.nameChars + 1) } },
    { it: 'half a processor', input: { id: 'a', vcpus: 0.5 } },
    { it: 'no memory', input: { id: 'a', memoryMiB: 0 } },
    { it: 'path for a disk', input: { id: 'a', disks: [{ id: 'd', uri: '/images/a.vhd' }] } },
    { it: 'file URI for a disk', input: { id: 'a', disks: [{ id: 'd', uri: 'file:///images/a.vhd' }] } },
    { it: 'relative socket', input: { id: 'a', disks: [{ id: 'd', uri: 'nbd+unix:///a?socket=d' }] } },
    { it: 'NBD over the network', input: { id: 'a', disks: [{ id: 'd', uri: 'nbd://host/a' }] } },
    { it: 'badly escaped export', input: { id: 'a', disks: [{ id: 'd', uri: 'nbd+unix:///%zz?socket=/d' }] } },
    { it: 'device id used twice', input: { id: 'a', disks: [{ id: 'd', uri }], cds: [{ id: 'd' }] } },
    {
      it: 'bridge with an option in it',
      input: { id: 'a', nics: [{ id: 'n', kind: 'bridge' as const, bridge: 'br0,x=y' }] },
    },
    { it: 'multicast MAC', input: { id: 'a', nics: [{ id: 'n', kind: 'user' as const, mac: '01:00:00:00:00:00' }] } },
    { it: 'machine of tomorrow', input: { id: 'a', machine: 'q36' as never } },
    {
      it: 'too many disks',
      input: { id: 'a', disks: Array.from({ length: SPEC_LIMITS.disks + 1 }, (_, at) => ({ id: `d${at}`, uri })) },
    },
  ])('refuses a $it', ({ input }) => {
    expect(() => vmSpec(input)).toThrow(expect.objectContaining({ code: 'SPEC_INVALID' }));
  });
});

test('URIs come apart', () => {
  expect(parseNbdUri('nbd+unix:///my%20disk?socket=/run/a%2Cb')).toEqual({
    exportName: 'my disk',
    socketPath: '/run/a,b',
  });
  expect(parseFileUri('file:///iso/a%20b.iso')).toBe('/iso/a b.iso');
  expect(parseFileUri('nbd+unix:///a?socket=/d')).toBeUndefined();
});

describe('diffSpecs', () => {
  const held = vmSpec({
    id: 'a',
    disks: [
      { id: 'd', uri },
      { id: 'old', uri, bus: 'ide' },
    ],
    cds: [{ id: 'c' }],
  });
  const live = { isDiskLive: (disk: { bus: string }) => disk.bus !== 'ide', canChangeCd: true };

  test.for([
    { it: 'nothing', change: {}, gives: [] },
    { it: 'a name', change: { name: 'b' }, gives: [{ what: 'name', change: 'change', effect: 'now' }] },
    {
      it: 'memory',
      change: { memoryMiB: 512 },
      gives: [{ what: 'memoryMiB', change: 'change', effect: 'next-start' }],
    },
    {
      it: 'a disk more',
      change: { disks: [...held.disks, { id: 'e', uri }] },
      gives: [{ what: 'disk:e', change: 'add', effect: 'now' }],
    },
    {
      it: 'an IDE disk less',
      change: { disks: held.disks.slice(0, 1) },
      gives: [{ what: 'disk:old', change: 'remove', effect: 'next-start' }],
    },
    {
      it: 'another export behind the same IDE disk',
      change: { disks: [held.disks[0], { ...held.disks[1], uri: 'nbd+unix:///b?socket=/run/d' }] },
      gives: [{ what: 'disk:old', change: 'change', effect: 'now' }],
    },
    {
      it: 'a CD put in',
      change: { cds: [{ id: 'c', uri }] },
      gives: [{ what: 'cd:c', change: 'change', effect: 'now' }],
    },
  ])('$it', ({ change, gives }) => {
    const wanted = vmSpec({ ...held, ...change } as VmSpecInput);
    expect(diffSpecs(held, wanted, live)).toEqual(gives);
  });
});
