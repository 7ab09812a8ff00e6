/** Desktops as sessions need them: what they are, what the policies come to for who opens them, and the way there. */
import type { Desktops } from '../../desktops/desktops/desktops.ts';
import type { Policies } from '../policies/policies.ts';
import type { DesktopPort } from './ports.ts';

export function desktopPort(desktops: Desktops, policies: Policies): DesktopPort {
  return {
    describe: async (desktopId, principal) => {
      const facts = await desktops.describe(desktopId);
      if (facts === undefined) return undefined;
      const { policy } = await policies.resolvedFor(principal, desktopId);
      return { name: facts.name, kinds: facts.views, isOn: facts.isOn, policy };
    },
    endpoint: (desktopId, kind) => desktops.dial(desktopId, kind),
  };
}
