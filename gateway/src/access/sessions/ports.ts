/** What sessions need of the rest of the gateway, in their own words. main.ts plugs it in. */
import type { DisplayEndpoint } from '@oriel/hosts';
import type { SessionPolicy } from '../../../api/session.ts';
import type { Principal } from '../../platform/rights/rights.ts';

export type SessionKind = 'display' | 'serial';

export interface DesktopFacts {
  readonly name: string;
  readonly kinds: readonly SessionKind[];
  readonly isOn: boolean;
  readonly policy: SessionPolicy;
}

export interface DesktopPort {
  /** Undefined: there is no such desktop. The policy is that of this person's sessions there. */
  describe(desktopId: string, principal: Principal): Promise<DesktopFacts | undefined>;
  /** A way to its screen or console, good for a few seconds. Throws where it does not run. */
  endpoint(desktopId: string, kind: SessionKind): Promise<DisplayEndpoint>;
}
