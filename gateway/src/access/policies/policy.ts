/** What a session may do: the defaults, and what an admin set over them. */
import type { SessionPolicy } from '../../../api/session.ts';
import type { SessionRules } from '../../../api/session-rules.ts';

export const DEFAULT_POLICY: SessionPolicy = {
  clipboard: 'both',
  clipboardBytes: 262_144,
  refusedKeys: [],
  bandwidthBytesPerSecond: null,
  idleMs: 4 * 3_600_000,
  absoluteMs: 24 * 3_600_000,
  warnMs: 60_000,
  graceMs: 300_000,
  canResize: true,
};

/** Pure. What the admin left out is the default. */
export function policyOf(rules: SessionRules): SessionPolicy {
  return { ...DEFAULT_POLICY, ...rules };
}
