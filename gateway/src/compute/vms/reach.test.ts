/** What goes beyond one VM, against every way to ask for it. */
import { describe, expect, test } from 'vitest';
import { RIGHTS, type Right } from '../../../api/rights.ts';
import { VM_SIZE_LIMITS, VmCreate, VmEdit, VmHardware } from '../../../api/vm.ts';
import { makePrincipal } from '../../platform/rights/rights.ts';
import { needsOfCreate, needsOfEdit, requireNeeds, type VmBefore } from './reach.ts';

const rightsOf = (needs: readonly { readonly right: Right }[]): Right[] => needs.map(({ right }) => right);
const bridge = { kind: 'bridge', bridge: 'br0' };
const tap = { kind: 'tap', tap: 'tap0' };
const many = (count: number) => Array.from({ length: count }, (_, at) => ({ diskId: `d${at}` }));

test.for<{ it: string; asked: object; rights: Right[] }>([
  { it: 'from a template', asked: { source: { from: 'template', templateId: 't' } }, rights: [] },
  { it: 'with the default hardware', asked: {}, rights: [] },
  { it: 'as large as the limits', asked: { hardware: { vcpus: VM_SIZE_LIMITS.vcpus } }, rights: [] },
  { it: 'with one virtual CPU more', asked: { hardware: { vcpus: VM_SIZE_LIMITS.vcpus + 1 } }, rights: ['limits'] },
  { it: 'with all the memory there is', asked: { hardware: { memoryMiB: 1 << 20 } }, rights: ['limits'] },
  { it: 'with a huge disk', asked: { source: { from: 'blank', sizeBytes: 2 ** 41 - 2 ** 33 } }, rights: ['limits'] },
  { it: 'on a disk of the library', asked: { source: { from: 'disk', diskId: 'd' } }, rights: ['attach'] },
  { it: 'with a disc', asked: { cdImageId: 'netinst.iso' }, rights: ['attach'] },
  { it: 'behind its host', asked: { hardware: { nics: [{ kind: 'user' }] } }, rights: [] },
  { it: 'on a bridge', asked: { hardware: { nics: [bridge] } }, rights: ['network'] },
  { it: 'on a tap', asked: { hardware: { nics: [{ kind: 'user' }, tap] } }, rights: ['network'] },
])('a new VM $it', ({ asked, rights }) => {
  const whole = VmCreate.parse({ name: 'x', source: { from: 'none' }, ...asked });
  expect(rightsOf(needsOfCreate(whole))).toEqual(rights);
});

const small: VmBefore = { hardware: VmHardware.parse({}), diskIds: ['d0'], cdImageId: null };
const large: VmBefore = {
  hardware: VmHardware.parse({ vcpus: 200, memoryMiB: 1 << 20, nics: [bridge] }),
  diskIds: many(16).map(({ diskId }) => diskId),
  cdImageId: 'in.iso',
};

test.for<{ it: string; before: VmBefore; change: object; rights: Right[] }>([
  { it: 'its name', before: small, change: { name: 'y' }, rights: [] },
  { it: 'its own disk', before: small, change: { disks: [{ diskId: 'd0', bus: 'ide' }] }, rights: [] },
  { it: 'one of its disks away', before: small, change: { disks: [] }, rights: [] },
  { it: 'another’s disk', before: small, change: { disks: many(2) }, rights: ['attach'] },
  { it: 'more disks than the limit', before: small, change: { disks: many(9) }, rights: ['attach', 'limits'] },
  { it: 'a disc in', before: small, change: { cdImageId: 'a.iso' }, rights: ['attach'] },
  { it: 'the disc out', before: large, change: { cdImageId: null }, rights: [] },
  { it: 'the disc that is in', before: large, change: { cdImageId: 'in.iso' }, rights: [] },
  { it: 'to a bridge', before: small, change: { hardware: { nics: [bridge] } }, rights: ['network'] },
  { it: 'what was large before', before: large, change: { hardware: { ...large.hardware, agent: false } }, rights: [] },
  {
    it: 'to another tap',
    before: large,
    change: { hardware: { ...large.hardware, nics: [tap] } },
    rights: ['network'],
  },
  { it: 'larger still', before: large, change: { hardware: { ...large.hardware, vcpus: 201 } }, rights: ['limits'] },
  { it: 'smaller', before: large, change: { hardware: { ...large.hardware, vcpus: 100 } }, rights: [] },
  { it: 'fewer disks, still many', before: large, change: { disks: many(12) }, rights: [] },
])('a change: $it', ({ before, change, rights }) => {
  expect(rightsOf(needsOfEdit(before, VmEdit.parse(change)))).toEqual(rights);
});

describe('who manages one VM', () => {
  const user = { id: 'u', name: 'u', roles: [] as const, groupIds: [] };
  const manager = makePrincipal(user, [{ desktopId: 'vm', rights: ['manage'] }], { kind: 'local' });
  const admin = makePrincipal({ ...user, roles: ['admin'] }, [], { kind: 'local' });
  const token = makePrincipal({ ...user, roles: ['admin'] }, [], { kind: 'token', tokenId: 't', scopes: ['manage'] });

  test.for(['attach', 'network', 'limits'] as const)(
    'does not thereby hold %s, nor does a token for manage',
    (right) => {
      const needs = [{ right, why: 'because' }];
      expect(() => requireNeeds(manager, needs)).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
      expect(() => requireNeeds(token, needs)).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
      expect(() => requireNeeds(admin, needs)).not.toThrow();
      expect(RIGHTS).toContain(right);
    },
  );
});
