/**
 * Whether one more session has room, and whose goes where it has not. Pure. BOUNDED by who causes it (S5): who asks for
 * too much takes the place of their own oldest that nobody uses, and who crowds a desktop makes room for others there.
 */
import type { SessionState } from '../../../api/session.ts';

export interface SessionCaps {
  readonly perUser: number;
  readonly perDesktop: number;
  /** Open sockets. */
  readonly perAddress: number;
  readonly inAll: number;
}
export const SESSION_CAPS: SessionCaps = { perUser: 32, perDesktop: 16, perAddress: 256, inAll: 10_000 };

/** Of one person on one desktop, with a ticket that is not used yet. */
const WAITING_PER_DESKTOP = 4;

export interface Occupant {
  readonly id: string;
  readonly userId: string;
  readonly state: SessionState;
}

export type Room =
  | { readonly kind: 'free' }
  | { readonly kind: 'instead-of'; readonly id: string }
  | { readonly kind: 'full'; readonly why: string };

/** `ofUser` and `onDesktop`, oldest first, are those who are there; `inAll` counts everybody's. */
export function roomFor(
  userId: string,
  there: { readonly ofUser: readonly Occupant[]; readonly onDesktop: readonly Occupant[]; readonly inAll: number },
  caps: SessionCaps,
): Room {
  const { ofUser, onDesktop, inAll } = there;
  const own = onDesktop.filter((each) => each.userId === userId);
  const waiting = own.filter(isWaiting);
  if (WAITING_PER_DESKTOP <= waiting.length) return insteadOf(waiting[0]) ?? { kind: 'free' };
  const oldestUnused = insteadOf(ofUser.find(isWaiting));
  if (caps.inAll <= inAll) return oldestUnused ?? { kind: 'full', why: `${caps.inAll} sessions are open` };
  if (caps.perUser <= ofUser.length)
    return oldestUnused ?? { kind: 'full', why: `you have ${ofUser.length} sessions open` };
  if (onDesktop.length < caps.perDesktop) return { kind: 'free' };
  const crowd = crowdOf(onDesktop, userId);
  // One more than the newcomer will have then: else the two would push each other out in turn.
  const gives = own.length + 1 < crowd.length ? [...crowd].sort((a, b) => USE[a.state] - USE[b.state])[0] : undefined;
  return insteadOf(gives) ?? { kind: 'full', why: `${onDesktop.length} sessions are on this desktop` };
}

/** Whose is missed least goes first. */
const USE: Readonly<Record<SessionState, number>> = { ended: 0, waiting: 1, parked: 2, connecting: 3, live: 4 };

function isWaiting({ state }: Occupant): boolean {
  return state === 'waiting';
}

/** The sessions of whoever else has most. */
function crowdOf(onDesktop: readonly Occupant[], userId: string): readonly Occupant[] {
  const byUser = new Map<string, Occupant[]>();
  for (const each of onDesktop) {
    if (each.userId !== userId) byUser.set(each.userId, [...(byUser.get(each.userId) ?? []), each]);
  }
  return [...byUser.values()].reduce<readonly Occupant[]>(
    (most, some) => (most.length < some.length ? some : most),
    [],
  );
}

function insteadOf(occupant: Occupant | undefined): Room | undefined {
  return occupant === undefined ? undefined : { kind: 'instead-of', id: occupant.id };
}
