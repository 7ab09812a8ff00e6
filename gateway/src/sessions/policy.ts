/** What a session may do: the defaults, and how they become what the RFB broker enforces. */
import type { SessionPolicy } from '../../shared/session.ts';
import { type KeyCombination, parseCombination } from '../display/rfb/keys.ts';
import type { RfbPolicy } from '../display/rfb/policy.ts';

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

/** Throws where a combination names a key that nobody knows: a refusal that does not refuse is worse than none. */
export function rfbPolicy(policy: SessionPolicy, isDriving: () => boolean): RfbPolicy {
  return {
    isDriving,
    clipboard: policy.clipboard,
    clipboardBytes: policy.clipboardBytes,
    refusedKeys: policy.refusedKeys.map(combinationOf),
    canResize: policy.canResize,
  };
}

function combinationOf(text: string): KeyCombination {
  const combination = parseCombination(text);
  if (combination === undefined) throw new TypeError(`no such key combination: ${text}`);
  return combination;
}
