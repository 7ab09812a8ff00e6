/**
 * Who must be let go of at once. Keeps the second half of TICKETED: taking a right away ends its live sessions within a
 * second. Everything that holds a socket open subscribes, and either closes what the revocation names or asks again.
 */
export type Revocation =
  /** The account is gone, locked or disabled: close everything it has. */
  | { readonly kind: 'user'; readonly userId: string }
  /** One sign-in ended (sign-out, expiry, "sign out there"): close what was opened from it. */
  | { readonly kind: 'browser-session'; readonly userId: string; readonly browserSessionId: string }
  | { readonly kind: 'token'; readonly userId: string; readonly tokenId: string }
  /** Roles, groups or assignments changed: ask again what the user may do (`People.principalOf`), close what no longer holds. */
  | { readonly kind: 'rights'; readonly userId: string }
  /** The desktop is gone or disabled: close every session on it. */
  | { readonly kind: 'desktop'; readonly desktopId: string };

export class Revocations {
  readonly #listeners = new Set<(revocation: Revocation) => void>();

  /** Gives the function that ends the subscription. Listeners must not throw; they start their work and return. */
  subscribe(listener: (revocation: Revocation) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  publish(revocation: Revocation): void {
    for (const listener of this.#listeners) listener(revocation);
  }
}
