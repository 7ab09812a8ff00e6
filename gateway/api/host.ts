/** Hosts: what runs VMs, behind a driver. */
import { z } from 'zod';
import { namedPageQuery, pageOf } from './page.ts';
import { plainText } from './plain-text.ts';
import { route } from './route.ts';

export const HostKind = z.enum(['qemu', 'fake']);
export type HostKind = z.infer<typeof HostKind>;

/** `unreachable` says why in `reason`; the driver keeps trying. */
export const HostState = z.enum(['connecting', 'connected', 'unreachable']);
export type HostState = z.infer<typeof HostState>;

/** The probed accelerator. KVM counts only when it really ran a guest; `reason` says what the probe saw. */
export const AcceleratorName = z.enum(['kvm', 'tcg', 'native']);
export const Accelerator = z.object({ name: AcceleratorName, reason: z.string() });
export type Accelerator = z.infer<typeof Accelerator>;

export const HostName = plainText(64);

export const Host = z.object({
  id: z.string(),
  name: z.string(),
  kind: HostKind,
  state: HostState,
  reason: z.string().nullable(),
  /** In maintenance nothing is started on the host; what runs goes on. */
  isInMaintenance: z.boolean(),
  /** What the driver found when it connected; null before. */
  info: z
    .object({
      version: z.string(),
      cpus: z.number().int(),
      memoryMiB: z.number().int(),
      accelerator: Accelerator,
    })
    .nullable(),
  /** Facets that the driver has: `agent`, `screen`, `migration`, `block`, `ram`. */
  facets: z.array(z.string()),
  vmCount: z.number().int(),
  runningVmCount: z.number().int(),
  createdAt: z.iso.datetime(),
  revision: z.number().int(),
});
export type Host = z.infer<typeof Host>;

/** Settings of a driver: few, flat, never secrets (those go to the store's secret table). */
export const HostConfig = z.record(z.string().max(64), z.union([z.string().max(4096), z.number(), z.boolean()]));
export type HostConfig = z.infer<typeof HostConfig>;

export const HostCreate = z.object({ name: HostName, kind: HostKind, config: HostConfig.default({}) });
export type HostCreate = z.infer<typeof HostCreate>;

export const HostEdit = z.object({ name: HostName.optional(), isInMaintenance: z.boolean().optional() });
export type HostEdit = z.infer<typeof HostEdit>;

export const HostParams = z.object({ hostId: z.string().max(64) });

export const listHosts = route({
  id: 'host.list',
  method: 'get',
  path: '/hosts',
  summary: 'Lists hosts',
  access: { right: 'settings' },
  query: namedPageQuery,
  reply: pageOf(Host),
});
export const getHost = route({
  id: 'host.get',
  method: 'get',
  path: '/hosts/{hostId}',
  summary: 'Shows one host',
  access: { right: 'settings' },
  params: HostParams,
  reply: Host,
});
export const createHost = route({
  id: 'host.create',
  method: 'post',
  path: '/hosts',
  summary: 'Adds a host and connects to it',
  access: { right: 'settings' },
  body: HostCreate,
  reply: Host,
  status: 201,
  creates: true,
  errors: ['ALREADY_EXISTS'],
});
export const editHost = route({
  id: 'host.edit',
  method: 'patch',
  path: '/hosts/{hostId}',
  summary: 'Renames a host, or puts it in or out of maintenance',
  access: { right: 'settings' },
  params: HostParams,
  body: HostEdit,
  reply: Host,
  errors: ['ALREADY_EXISTS', 'CHANGED_MEANWHILE'],
});
export const deleteHost = route({
  id: 'host.delete',
  method: 'delete',
  path: '/hosts/{hostId}',
  summary: 'Forgets a host that has no VMs',
  access: { right: 'settings' },
  params: HostParams,
  status: 204,
  errors: ['CONFLICT'],
});

/** Live events (events.ts): kind `changed`, data the whole new Host; `removed`, without data. */
export const HOST_TOPIC = 'host';
