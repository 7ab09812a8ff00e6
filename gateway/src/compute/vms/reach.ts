/**
 * What a person needs beside `manage` to make a VM so: `manage` covers what belongs to the VM. Disks and discs of the
 * library, networks of the host and sizes beyond the limits reach what belongs to nobody or to all. Pure.
 */
import type { Right } from '../../../api/rights.ts';
import { VM_SIZE_LIMITS, type VmCreate, type VmEdit, type VmHardware, type VmNic } from '../../../api/vm.ts';
import { GatewayError } from '../../errors.ts';
import { can, type Principal } from '../../platform/rights/rights.ts';

/** A VM before a change; a new one is as small as can be and has nothing. */
export interface VmBefore {
  readonly hardware: VmHardware | undefined;
  readonly diskIds: readonly string[];
  readonly cdImageId: string | null;
}

const NOTHING: VmBefore = { hardware: undefined, diskIds: [], cdImageId: null };

/** A right that is needed, and for what. */
export interface Need {
  readonly right: Right;
  readonly why: string;
}

export function needsOfCreate(asked: VmCreate): Need[] {
  const { source } = asked;
  const needs = hardwareNeeds(NOTHING, asked.hardware);
  if (source.from === 'disk') needs.push({ right: 'attach', why: 'a disk of the library is attached' });
  if (source.from === 'blank' && VM_SIZE_LIMITS.diskBytes < source.sizeBytes)
    needs.push({ right: 'limits', why: `its disk is larger than ${VM_SIZE_LIMITS.diskBytes / 2 ** 30} GiB` });
  return [...needs, ...cdNeeds(NOTHING, asked.cdImageId)];
}

export function needsOfEdit(before: VmBefore, change: VmEdit): Need[] {
  const needs = change.hardware === undefined ? [] : hardwareNeeds(before, change.hardware);
  const disks = change.disks ?? [];
  if (disks.some(({ diskId }) => !before.diskIds.includes(diskId)))
    needs.push({ right: 'attach', why: 'a disk of the library is attached' });
  if (VM_SIZE_LIMITS.disks < disks.length && before.diskIds.length < disks.length)
    needs.push({ right: 'limits', why: `it has more than ${VM_SIZE_LIMITS.disks} disks` });
  return [...needs, ...cdNeeds(before, change.cdImageId)];
}

/** What was larger or tied to a network before may stay so, whoever changes something else. */
function hardwareNeeds({ hardware: before }: VmBefore, after: VmHardware): Need[] {
  const needs: Need[] = [];
  const { vcpus, memoryMiB } = VM_SIZE_LIMITS;
  if (vcpus < after.vcpus && (before?.vcpus ?? 0) < after.vcpus)
    needs.push({ right: 'limits', why: `it has more than ${vcpus} virtual CPUs` });
  if (memoryMiB < after.memoryMiB && (before?.memoryMiB ?? 0) < after.memoryMiB)
    needs.push({ right: 'limits', why: `it has more than ${memoryMiB} MiB of memory` });
  const had = new Set((before?.nics ?? []).map(networkOf));
  if (after.nics.map(networkOf).some((network) => network !== undefined && !had.has(network)))
    needs.push({ right: 'network', why: 'it is tied to a network of its host' });
  return needs;
}

function networkOf(nic: VmNic): string | undefined {
  switch (nic.kind) {
    case 'user':
      return undefined;
    case 'bridge':
      return `bridge ${nic.bridge}`;
    case 'tap':
      return `tap ${nic.tap}`;
  }
}

function cdNeeds(before: VmBefore, after: string | null | undefined): Need[] {
  if (after === undefined || after === null || after === before.cdImageId) return [];
  return [{ right: 'attach', why: 'a disc of the library is put into its drive' }];
}

/** These rights are held everywhere or not at all: no assignment on one desktop gives them. Errors: FORBIDDEN. */
export function requireNeeds(principal: Principal, needs: readonly Need[]): void {
  const lacking = needs.find(({ right }) => !can(principal, right));
  if (lacking !== undefined) {
    throw new GatewayError('FORBIDDEN', `this needs the right "${lacking.right}" beside "manage": ${lacking.why}`);
  }
}
