/**
 * Policies: what sessions may do, by layer. The gateway's own rules are below those of the person's groups, those below
 * the desktop's: of each member the last layer that says something decides. Where several groups of a person say
 * something, the strictest of them does.
 */
import { z } from 'zod';
import { DesktopParams } from './desktop.ts';
import { route } from './route.ts';
import { SessionPolicy } from './session.ts';
import { SessionRules } from './session-rules.ts';

/** `default` is what the gateway does where nobody says anything. `pool` comes with pools. */
export const PolicyLayer = z.enum(['default', 'gateway', 'group', 'pool', 'desktop']);
export type PolicyLayer = z.infer<typeof PolicyLayer>;

/** What one layer says; what it leaves out is decided below. */
export const LayerPolicy = z.object({ rules: SessionRules });
export type LayerPolicy = z.infer<typeof LayerPolicy>;

/** Which layer decided a member; `name` is that of the group where it is one. */
export const DecidedBy = z.object({ layer: PolicyLayer, name: z.string().nullable() });
export type DecidedBy = z.infer<typeof DecidedBy>;

/** What a desktop says, and what comes of it for the caller. */
export const DesktopPolicy = LayerPolicy.extend({
  policy: SessionPolicy,
  decidedBy: z.record(SessionPolicy.keyof(), DecidedBy),
});
export type DesktopPolicy = z.infer<typeof DesktopPolicy>;

const GroupParams = z.object({ groupId: z.string().max(64) });

export const getGatewayPolicy = route({
  id: 'policy.get',
  method: 'get',
  path: '/policy',
  summary: "Shows the gateway's own session policy, which is below all others",
  access: { right: 'settings' },
  reply: LayerPolicy,
});
export const setGatewayPolicy = route({
  id: 'policy.set',
  method: 'put',
  path: '/policy',
  summary: "Lays down the gateway's own session policy, for sessions that begin from then on",
  access: { right: 'settings' },
  body: LayerPolicy,
  reply: LayerPolicy,
});
export const getGroupPolicy = route({
  id: 'group.policy-get',
  method: 'get',
  path: '/groups/{groupId}/policy',
  summary: 'Shows the session policy of the people of a group',
  access: { right: 'people' },
  params: GroupParams,
  reply: LayerPolicy,
  errors: ['NOT_FOUND'],
});
export const setGroupPolicy = route({
  id: 'group.policy-set',
  method: 'put',
  path: '/groups/{groupId}/policy',
  summary: 'Lays down the session policy of the people of a group, for sessions that begin from then on',
  access: { right: 'settings' },
  params: GroupParams,
  body: LayerPolicy,
  reply: LayerPolicy,
  errors: ['NOT_FOUND'],
});
export const getDesktopPolicy = route({
  id: 'desktop.policy-get',
  method: 'get',
  path: '/desktops/{desktopId}/policy',
  summary: 'Shows the session policy of a desktop, and what the caller gets there, with the layer that decided',
  access: { right: 'see', on: 'desktop', by: 'desktopId' },
  params: DesktopParams,
  reply: DesktopPolicy,
});
export const setDesktopPolicy = route({
  id: 'desktop.policy-set',
  method: 'put',
  path: '/desktops/{desktopId}/policy',
  summary: 'Lays down the session policy of a desktop, for sessions that begin from then on',
  access: { right: 'manage', on: 'desktop', by: 'desktopId' },
  params: DesktopParams,
  body: LayerPolicy,
  reply: DesktopPolicy,
});
