/** What a viewer may do, enforced here at the server whatever the page does. Plain data; `isDriving` is asked each time. */
import type { KeyCombination } from './keys.ts';

/** Directions of the clipboard: `in` is towards the VM. */
export type ClipboardPolicy = 'off' | 'in' | 'out' | 'both';

export interface RfbPolicy {
  /** False: view only. May change while the session runs, as control goes from one to another. */
  isDriving(): boolean;
  readonly clipboard: ClipboardPolicy;
  /** Of one text, uncompressed. */
  readonly clipboardBytes: number;
  readonly refusedKeys: readonly KeyCombination[];
  readonly canResize: boolean;
}

export function allowsIn(policy: RfbPolicy): boolean {
  return policy.clipboard === 'in' || policy.clipboard === 'both';
}
export function allowsOut(policy: RfbPolicy): boolean {
  return policy.clipboard === 'out' || policy.clipboard === 'both';
}
