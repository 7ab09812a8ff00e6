/** What a session may do: the defaults, and how they become what the RFB broker enforces. */
import type { SessionPolicy } from '../../../api/session.ts';
import type { RfbPolicy } from '../../../relay/rfb/policy.ts';
export declare const DEFAULT_POLICY: SessionPolicy;
/** Throws where a combination names a key that nobody knows: a refusal that does not refuse is worse than none. */
export declare function rfbPolicy(policy: SessionPolicy, isDriving: () => boolean): RfbPolicy;
//# sourceMappingURL=policy.d.ts.map
