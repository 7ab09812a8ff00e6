/** Desktops: what a user may open. A VM for now; applications and terminals join the same list. */
import { z } from 'zod';
import { PageQuery, pageOf } from './page.ts';
import { route } from './route.ts';
import { VmState } from './vm.ts';

/** How a desktop can be opened: its screen, its serial console. */
export const DesktopView = z.enum(['display', 'serial']);
export type DesktopView = z.infer<typeof DesktopView>;

/** What the caller may do with the desktop. */
export const DesktopRight = z.enum(['see', 'open', 'view', 'power', 'manage', 'backup', 'restore']);
export type DesktopRight = z.infer<typeof DesktopRight>;

export const Desktop = z.object({
  /** The id of the VM. */
  id: z.string(),
  kind: z.literal('vm'),
  name: z.string(),
  description: z.string(),
  state: VmState,
  reason: z.string().nullable(),
  views: z.array(DesktopView),
  rights: z.array(DesktopRight),
  /** A PNG behind the same sign-in, with an ETag; null while there is no screen. */
  thumbnailUrl: z.string().nullable(),
});
export type Desktop = z.infer<typeof Desktop>;

export const DesktopParams = z.object({ desktopId: z.string().max(64) });

export const listDesktops = route({
  id: 'desktop.list',
  method: 'get',
  path: '/desktops',
  summary: 'Lists what the caller may open',
  access: 'signed-in',
  query: PageQuery,
  reply: pageOf(Desktop),
});
export const getDesktop = route({
  id: 'desktop.get',
  method: 'get',
  path: '/desktops/{desktopId}',
  summary: 'Shows one desktop',
  access: { right: 'see' },
  params: DesktopParams,
  reply: Desktop,
  errors: ['DESKTOP_NOT_FOUND'],
});
/** The reply is `image/png`; 304 where `If-None-Match` names the picture that is still the newest. */
export const getThumbnail = route({
  id: 'desktop.thumbnail',
  method: 'get',
  path: '/desktops/{desktopId}/thumbnail',
  summary: 'A small picture of the screen as it is now (at most a few seconds old)',
  access: { right: 'see' },
  params: DesktopParams,
  query: z.object({ width: z.coerce.number().int().min(64).max(1280).default(320) }),
  errors: ['DESKTOP_NOT_FOUND', 'NO_SCREEN'],
});

export const desktopRoutes = [listDesktops, getDesktop, getThumbnail] as const;

/** SSE: topic names and what their events carry, for everything in vm.ts, host.ts, disk.ts, task.ts and here. */
export const LIVE_TOPICS = {
  /** `vm.changed` carries a Vm, `vm.removed` `{id}`. */
  vms: 'vms',
  /** `desktop.changed` carries a Desktop without rights, `desktop.removed` `{id}`. */
  desktops: 'desktops',
  /** `host.changed` carries a Host, `host.removed` `{id}`. */
  hosts: 'hosts',
  /** `disk.changed` carries a Disk, `disk.removed` `{id}`. */
  disks: 'disks',
  /** `task.changed` carries a Task. */
  tasks: 'tasks',
} as const;
