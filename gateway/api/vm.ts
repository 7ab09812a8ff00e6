/** VMs: rows with a wanted state that the gateway keeps, and the state that their host reports. */
import { z } from 'zod';
import { DISK_LIMITS } from './disk.ts';
import { AcceleratorName } from './host.ts';
import { namedPageQuery, pageOf } from './page.ts';
import { plainLines, plainText } from './plain-text.ts';
import { route } from './route.ts';
import { SessionRules } from './session-rules.ts';

export const VM_LIMITS = {
  nameChars: 64,
  descriptionChars: 2000,
  vcpus: 256,
  minMemoryMiB: 16,
  maxMemoryMiB: 1 << 20,
  disks: 16,
  nics: 8,
  logEntries: 500,
  /** Of one event, such as `paused`. */
  logEntriesOfAKind: 50,
  serialLines: 10_000,
} as const;

/** Beyond these it takes the right `limits`. */
export const VM_SIZE_LIMITS = { vcpus: 16, memoryMiB: 65_536, disks: 8, diskBytes: 512 * 2 ** 30 } as const;

/** What somebody asked for. The reconciler works until the observed state is this. */
export const WantedState = z.enum(['running', 'paused', 'stopped', 'saved']);
export type WantedState = z.infer<typeof WantedState>;

/**
 * What is. `starting`, `stopping`, `saving` and `deleting` are on the way; `failed` says why in `reason` and is tried
 * again; `blocked` runs but its disk does not answer (the reason says which); `unknown`: the host is unreachable.
 */
export const VmState = z.enum([
  'stopped',
  'starting',
  'running',
  'paused',
  'blocked',
  'stopping',
  'saving',
  'saved',
  'deleting',
  'failed',
  'unknown',
]);
export type VmState = z.infer<typeof VmState>;

/** States in which a VM has a screen, and its disks are open. */
export const ON_STATES: readonly VmState[] = ['running', 'paused', 'blocked'];
export const isOn = ({ state }: { readonly state: VmState }): boolean => ON_STATES.includes(state);

export const VmName = plainText(VM_LIMITS.nameChars);

export const DiskBus = z.enum(['virtio-blk', 'virtio-scsi', 'ide']);
export type DiskBus = z.infer<typeof DiskBus>;

export const VmDisk = z.object({ diskId: z.string().max(128), bus: DiskBus.default('virtio-blk') });
export type VmDisk = z.infer<typeof VmDisk>;

const mac = z
  .string()
  .regex(/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/, 'must be six pairs of lower-case hex digits, not a group address')
  .optional();
const interfaceName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/);
export const VmNic = z.discriminatedUnion('kind', [
  /** Behind the host's own address; nobody reaches the guest from outside. */
  z.object({ kind: z.literal('user'), mac }),
  z.object({ kind: z.literal('bridge'), bridge: interfaceName, mac }),
  z.object({ kind: z.literal('tap'), tap: interfaceName, mac }),
]);
export type VmNic = z.infer<typeof VmNic>;

/** The virtual machine without its disks. */
export const VmHardware = z.object({
  vcpus: z.number().int().min(1).max(VM_LIMITS.vcpus).default(1),
  memoryMiB: z.number().int().min(VM_LIMITS.minMemoryMiB).max(VM_LIMITS.maxMemoryMiB).default(512),
  /** A family; the host pins the exact version when it first defines the VM. */
  machine: z.enum(['pc', 'q35']).default('q35'),
  firmware: z.enum(['bios', 'uefi']).default('bios'),
  video: z.enum(['std', 'virtio', 'none']).default('std'),
  tablet: z.boolean().default(true),
  /** A channel for the guest agent. */
  agent: z.boolean().default(true),
  tpm: z.boolean().default(false),
  nics: z.array(VmNic).max(VM_LIMITS.nics).default([]),
});
export type VmHardware = z.infer<typeof VmHardware>;

export const Vm = z.object({
  id: z.string(),
  name: z.string(),
  description: z.string(),
  hostId: z.string(),
  hostName: z.string(),
  wanted: WantedState,
  state: VmState,
  /** Why it failed, is blocked or is unknown; null when all is well. */
  reason: z.string().nullable(),
  hardware: VmHardware,
  disks: z.array(VmDisk),
  /** The image in the CD drive. */
  cdImageId: z.string().nullable(),
  /** For sessions that are opened from now on. */
  sessionRules: SessionRules,
  /** What it runs on now; null while it does not run. */
  accelerator: AcceleratorName.nullable(),
  /** Changes that take effect at the next start. */
  pendingRestart: z.array(z.string()),
  /** A clipboard agent (spice-vdagent) runs in the guest. */
  hasClipboard: z.boolean(),
  /** Times it was started or reset. */
  boots: z.number().int(),
  startedAt: z.iso.datetime().nullable(),
  createdAt: z.iso.datetime(),
  updatedAt: z.iso.datetime(),
  /** Goes up with every change of what is stored; the ETag. */
  revision: z.number().int(),
});
export type Vm = z.infer<typeof Vm>;

/** Where the first disk of a new VM comes from. */
export const VmSource = z.discriminatedUnion('from', [
  /** A linked clone: at once, and small. */
  z.object({ from: z.literal('template'), templateId: z.string().max(128) }),
  /** A linked clone of an image that is no template; from then on the image does not change. */
  z.object({ from: z.literal('image'), imageId: z.string().max(128) }),
  z.object({
    from: z.literal('blank'),
    sizeBytes: z.number().int().min(DISK_LIMITS.minBytes).max(DISK_LIMITS.maxBytes),
  }),
  /** A disk that no VM has. */
  z.object({ from: z.literal('disk'), diskId: z.string().max(128) }),
  z.object({ from: z.literal('none') }),
]);
export type VmSource = z.infer<typeof VmSource>;

export const VmCreate = z.object({
  name: VmName,
  description: plainLines(VM_LIMITS.descriptionChars).default(''),
  /** Where there is one host only, it may be left out. */
  hostId: z.string().max(64).optional(),
  source: VmSource,
  bus: DiskBus.default('virtio-blk'),
  hardware: VmHardware.prefault({}),
  cdImageId: z.string().max(128).nullable().default(null),
  sessionRules: SessionRules.prefault({}),
  wanted: z.enum(['running', 'stopped']).default('stopped'),
});
export type VmCreate = z.infer<typeof VmCreate>;

/** What is left out stays. Hardware and disks of a running VM: only what the host can change while it runs. */
export const VmEdit = z.object({
  name: VmName.optional(),
  description: plainLines(VM_LIMITS.descriptionChars).optional(),
  hardware: VmHardware.optional(),
  disks: z.array(VmDisk).max(VM_LIMITS.disks).optional(),
  cdImageId: z.string().max(128).nullable().optional(),
  /** All of them: what is not named goes back to the default. */
  sessionRules: SessionRules.optional(),
});
export type VmEdit = z.infer<typeof VmEdit>;

/** `force`: at once, like pulling the plug. Otherwise the guest is asked, and after a grace it is forced. */
export const VmStop = z.object({ force: z.boolean().default(false) });
export type VmStop = z.infer<typeof VmStop>;

/** Mandatory: nobody deletes a disk by leaving a word out, nor keeps one unknowingly. */
export const VmDelete = z.object({ disks: z.enum(['keep', 'delete']) });
export type VmDelete = z.infer<typeof VmDelete>;

export const VmLogEntry = z.object({
  at: z.iso.datetime(),
  level: z.enum(['info', 'warn', 'error']),
  event: z.string(),
  message: z.string(),
});
export type VmLogEntry = z.infer<typeof VmLogEntry>;

export const VmParams = z.object({ vmId: z.string().max(64) });

export const listVms = route({
  id: 'vm.list',
  method: 'get',
  path: '/vms',
  summary: 'Lists the VMs that the caller may see',
  access: 'signed-in',
  query: namedPageQuery.extend({
    state: VmState.optional(),
    host: z.string().max(64).optional(),
    name: z.string().max(VM_LIMITS.nameChars).optional(),
  }),
  reply: pageOf(Vm),
});
export const getVm = route({
  id: 'vm.get',
  method: 'get',
  path: '/vms/{vmId}',
  summary: 'Shows one VM',
  access: { right: 'see', on: 'desktop', by: 'vmId' },
  params: VmParams,
  reply: Vm,
});
export const createVm = route({
  id: 'vm.create',
  method: 'post',
  path: '/vms',
  summary: 'Makes a VM: a linked clone of a template or image, blank, or on a disk that no VM has',
  access: { right: 'manage' },
  body: VmCreate,
  reply: Vm,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS', 'CONFLICT', 'NO_SPACE', 'UNPROCESSABLE'],
});
export const editVm = route({
  id: 'vm.edit',
  method: 'patch',
  path: '/vms/{vmId}',
  summary: 'Changes name, description, hardware, disks or CD',
  access: { right: 'manage', on: 'desktop', by: 'vmId' },
  params: VmParams,
  body: VmEdit,
  reply: Vm,
  errors: ['ALREADY_EXISTS', 'CONFLICT', 'CHANGED_MEANWHILE', 'UNPROCESSABLE'],
});
export const deleteVm = route({
  id: 'vm.delete',
  method: 'delete',
  path: '/vms/{vmId}',
  summary: 'Stops and removes a VM; says what happens to its disks',
  access: { right: 'manage', on: 'desktop', by: 'vmId' },
  params: VmParams,
  query: VmDelete,
  reply: Vm,
  status: 202,
});

/** A power verb: it sets what is wanted and answers at once; the state follows as events. */
function power<Id extends string>(verb: Id, summary: string) {
  return route({
    id: `vm.${verb}`,
    method: 'post',
    path: `/vms/{vmId}/${verb}`,
    summary,
    access: { right: 'power', on: 'desktop', by: 'vmId' },
    rate: { times: 20, perMs: 60_000 },
    params: VmParams,
    reply: Vm,
    status: 202,
    errors: ['CONFLICT'],
  });
}
export const startVm = power('start', 'Starts a VM, or resumes a saved one');
export const resetVm = power('reset', 'Resets a running VM, as its button would');
export const pauseVm = power('pause', 'Stops the CPUs of a VM; memory stays');
export const resumeVm = power('resume', 'Lets a paused VM go on');
export const saveVm = power('save', 'Writes memory and devices to a file and stops; start resumes it');
export const stopVm = route({
  id: 'vm.stop',
  method: 'post',
  path: '/vms/{vmId}/stop',
  summary: 'Asks the guest to shut down and forces it after a grace; or forces it at once',
  access: { right: 'power', on: 'desktop', by: 'vmId' },
  params: VmParams,
  body: VmStop,
  reply: Vm,
  status: 202,
  errors: ['CONFLICT'],
});
export const getVmLog = route({
  id: 'vm.log',
  method: 'get',
  path: '/vms/{vmId}/log',
  summary: 'What happened to a VM, newest first',
  access: { right: 'see', on: 'desktop', by: 'vmId' },
  params: VmParams,
  reply: z.object({ items: z.array(VmLogEntry) }),
});

export const VmSerialLog = z.object({
  /** What the guest said on its serial port in this run or the last, its end; control characters and all. */
  text: z.string(),
});
export type VmSerialLog = z.infer<typeof VmSerialLog>;

/** `manage`: it holds what others did on the console, so that the right to open the desktop is not enough. */
export const getVmSerialLog = route({
  id: 'vm.serial-log',
  method: 'get',
  path: '/vms/{vmId}/serial-log',
  summary: 'The last lines that the guest wrote to its serial port',
  access: { right: 'manage', on: 'desktop', by: 'vmId' },
  params: VmParams,
  query: z.object({ lines: z.coerce.number().int().min(1).max(VM_LIMITS.serialLines).default(200) }),
  reply: VmSerialLog,
  errors: ['UNAVAILABLE', 'UNPROCESSABLE'],
});

/** Live events (events.ts): kind `changed`, data the whole new Vm; `removed`, without data. */
export const VM_TOPIC = 'vm';
