/** What a viewer may do, enforced here at the server whatever the page does. Plain data; `isDriving` is asked each time. */
import type { SessionPolicy } from '../../api/session.ts';
import type { Clipboard } from '../../api/session-rules.ts';
import type { ClipboardRules } from './clipboard.ts';
import { type KeyCombination, parseCombination } from './keys.ts';

export interface RfbPolicy {
  /** False: view only. May change while the session runs, as control goes from one to another. */
  isDriving(): boolean;
  readonly clipboard: Clipboard;
  /** Of one text, uncompressed. */
  readonly clipboardBytes: number;
  readonly refusedKeys: readonly KeyCombination[];
  readonly canResize: boolean;
}

/** As the clipboard is decided on now. */
export function clipboardRules(policy: RfbPolicy): ClipboardRules {
  const { clipboard, clipboardBytes } = policy;
  return { clipboard, clipboardBytes, isDriving: policy.isDriving() };
}

/**
 * A session's policy in the words of RFB. Throws where a combination names a key that nobody knows: a refusal that does
 * not refuse is worse than none.
 */
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
