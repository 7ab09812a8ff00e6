/** Desktops: what a user may open. A VM for now; applications and terminals join the same list. */
import { z } from 'zod';
import { namedPageQuery, pageOf } from './page.ts';
import { DesktopRight } from './rights.ts';
import { route } from './route.ts';
import { VmState } from './vm.ts';

/** How a desktop can be opened: its screen, its serial console. */
export const DesktopView = z.enum(['display', 'serial']);
export type DesktopView = z.infer<typeof DesktopView>;

/** What stands behind a desktop. */
export const DesktopKind = z.enum(['vm']);
export type DesktopKind = z.infer<typeof DesktopKind>;

export const Desktop = z.object({
  /** Of kind `vm`: that of the VM. */
  id: z.string(),
  kind: DesktopKind,
  name: z.string(),
  description: z.string(),
  state: VmState,
  reason: z.string().nullable(),
  views: z.array(DesktopView),
  /** A clipboard agent runs in it. A desktop without one cannot be given a text but by typing it. */
  hasClipboard: z.boolean(),
  /** What the caller may do with it. */
  rights: z.array(DesktopRight),
  /** A PNG behind the same sign-in, with an ETag; null while there is no screen, and for who may not view it. */
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
  query: namedPageQuery,
  reply: pageOf(Desktop),
});
export const getDesktop = route({
  id: 'desktop.get',
  method: 'get',
  path: '/desktops/{desktopId}',
  summary: 'Shows one desktop',
  access: { right: 'see', on: 'desktop', by: 'desktopId' },
  params: DesktopParams,
  reply: Desktop,
});
/** The reply is `image/png`; 304 where `If-None-Match` names the picture that is still the newest. */
export const getThumbnail = route({
  id: 'desktop.thumbnail',
  method: 'get',
  path: '/desktops/{desktopId}/thumbnail',
  summary: 'A picture of the screen as it is now (at most a few seconds old)',
  access: { right: 'view', on: 'desktop', by: 'desktopId' },
  params: DesktopParams,
  produces: 'image/png',
  rate: { times: 40, perMs: 10_000 },
  errors: ['CONFLICT', 'NOT_SUPPORTED'],
});

/** Live events (events.ts): kind `changed`, data the Desktop without its rights and picture, which are the listener's own; `removed`. */
export const DESKTOP_TOPIC = 'desktop';
