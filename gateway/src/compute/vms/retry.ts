/** When a VM whose last step failed is tried again: pure. A failing VM is slowed down, never given up. */
import type { HostErrorCode } from '@oriel/hosts';

export const RETRY = {
  firstMs: 1_000,
  maxMs: 300_000,
  /** A VM that ran at least this long before it died starts afresh. */
  provenMs: 60_000,
} as const;

export interface Retry {
  readonly failures: number;
  /** Epoch ms before which nothing is tried. */
  readonly notBefore: number;
  readonly message: string;
  /** Trying again cannot help: only a change of what is wanted does. */
  readonly isFinal: boolean;
}

/** Errors about the request itself: the same request fails the same way. */
const FINAL: ReadonlySet<string> = new Set<HostErrorCode>(['SPEC_INVALID', 'SPEC_UNSUPPORTED', 'PATH_TOO_LONG']);

/** 1 s, 2 s, 4 s, … up to 5 minutes. */
export function delayAfter(failures: number): number {
  return Math.min(RETRY.maxMs, RETRY.firstMs * 2 ** Math.min(20, failures - 1));
}

export function afterFailure(before: Retry | undefined, code: string, message: string, now: number): Retry {
  const failures = (before?.failures ?? 0) + 1;
  return { failures, notBefore: now + delayAfter(failures), message, isFinal: FINAL.has(code) };
}

/** A guest or its QEMU died. One that had run for a while is started at once; one that keeps dying is slowed down. */
export function afterDeath(before: Retry | undefined, ranMs: number, message: string, now: number): Retry {
  if (RETRY.provenMs <= ranMs) return { failures: 0, notBefore: now, message, isFinal: false };
  return afterFailure(before, 'VM_DIED', message, now);
}
