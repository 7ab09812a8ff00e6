import { parseCombination } from '../../../relay/rfb/keys.js';
export const DEFAULT_POLICY = {
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
export function rfbPolicy(policy, isDriving) {
  return {
    isDriving,
    clipboard: policy.clipboard,
    clipboardBytes: policy.clipboardBytes,
    refusedKeys: policy.refusedKeys.map(combinationOf),
    canResize: policy.canResize,
  };
}
function combinationOf(text) {
  const combination = parseCombination(text);
  if (combination === undefined) throw new TypeError(`no such key combination: ${text}`);
  return combination;
}
//# sourceMappingURL=policy.js.map
