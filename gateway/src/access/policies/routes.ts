/** The API of policies. */
import {
  getDesktopPolicy,
  getGatewayPolicy,
  getGroupPolicy,
  setDesktopPolicy,
  setGatewayPolicy,
  setGroupPolicy,
} from '../../../api/policy.ts';
import { type BoundRoute, bind } from '../../platform/api/bind.ts';
import type { Policies } from './policies.ts';

export function policyRoutes(policies: Policies): BoundRoute[] {
  return [
    bind(getGatewayPolicy, async () => ({ rules: await policies.ofGateway() })),
    bind(setGatewayPolicy, async ({ body, note }) => {
      note({ rules: body.rules });
      await policies.setGateway(body.rules);
      return { rules: await policies.ofGateway() };
    }),
    bind(getGroupPolicy, async ({ params }) => ({ rules: await policies.ofGroup(params.groupId) })),
    bind(setGroupPolicy, async ({ params, body, note }) => {
      note({ rules: body.rules });
      await policies.setGroup(params.groupId, body.rules);
      return { rules: await policies.ofGroup(params.groupId) };
    }),
    bind(getDesktopPolicy, async ({ params, principal }) => await policies.shownTo(principal, params.desktopId)),
    bind(setDesktopPolicy, async ({ params, body, principal, note }) => {
      note({ rules: body.rules });
      await policies.requireMay(principal, await policies.ofDesktop(params.desktopId), body.rules);
      await policies.setDesktop(params.desktopId, body.rules);
      return await policies.shownTo(principal, params.desktopId);
    }),
  ];
}
