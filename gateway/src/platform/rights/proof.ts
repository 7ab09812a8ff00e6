/** What outlasts a sign-in asks who sits there again: a session that was taken over must not make itself a way in that stays. */
import { GatewayError } from '../../errors.ts';
import type { Principal } from './rights.ts';

/** How long a password, or a whole sign-in, proves who sits at a browser. */
export const PROOF_MS = 300_000;

/** Throws PROOF_NEEDED where the caller is a browser that has proved nothing for a while. */
export function requireProof({ via }: Principal, now: number): void {
  if (via.kind !== 'browser' || now < (via.provedAt ?? 0) + PROOF_MS) return;
  throw new GatewayError(
    'PROOF_NEEDED',
    'your sign-in is some minutes old: give your password again, or sign in again',
  );
}
