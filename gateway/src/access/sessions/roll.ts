/** The roll: sessions that have not ended, by who has them, on which desktop, from which address. BOUNDED by its caps. */

import { Tally } from '../../../relay/tally.ts';
import { GatewayError } from '../../errors.ts';
import { type Occupant, type Room, roomFor, SESSION_CAPS, type SessionCaps } from '../decisions/room.ts';
import type { SessionKind } from './ports.ts';
import type { Session } from './session.ts';

export class Roll {
  readonly #caps: SessionCaps;
  readonly #sessions = new Map<string, Session>();
  readonly #ofUser = new Tally();
  readonly #byDesktop = new Map<string, Set<Session>>();
  /** Open sockets by address. */
  readonly sockets: Tally = new Tally();

  constructor(caps: SessionCaps = SESSION_CAPS) {
    this.#caps = caps;
  }

  add(session: Session): void {
    const { id, userId, desktopId } = session.facts;
    this.#sessions.set(id, session);
    this.#ofUser.add(userId, 1);
    const company = this.#byDesktop.get(desktopId) ?? new Set();
    this.#byDesktop.set(desktopId, company.add(session));
  }

  remove(session: Session): void {
    const { id, userId, desktopId } = session.facts;
    if (!this.#sessions.delete(id)) return;
    this.#ofUser.add(userId, -1);
    const company = this.#byDesktop.get(desktopId);
    company?.delete(session);
    if (company?.size === 0) this.#byDesktop.delete(desktopId);
  }

  get(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  require(id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined) throw new GatewayError('NOT_FOUND', `there is no session ${id}`);
    return session;
  }

  /** Newest first. */
  all(): Session[] {
    return [...this.#sessions.values()].reverse();
  }

  on(desktopId: string, kind?: SessionKind): Session[] {
    const there = [...(this.#byDesktop.get(desktopId) ?? [])].reverse();
    return kind === undefined ? there : there.filter(({ facts }) => facts.kind === kind);
  }

  /** Those whom the owner of this session let in. */
  guestsOf(session: Session): Session[] {
    return this.on(session.facts.desktopId).filter(({ facts }) => facts.isByConsent && facts.joinedId === session.id);
  }

  /** S5: may this user have one more on that desktop? A refusal is in the audit log as that of any request. */
  roomFor(userId: string, desktopId: string): Room {
    const onDesktop = [...(this.#byDesktop.get(desktopId) ?? [])];
    const ofUser = this.#ofUser.of(userId) === 0 ? [] : [...this.#sessions.values()].filter(isOf(userId));
    const there = { ofUser: ofUser.map(occupantOf), onDesktop: onDesktop.map(occupantOf), inAll: this.#sessions.size };
    return roomFor(userId, there, this.#caps);
  }

  /** May this address open one more socket? */
  hasRoomFor(address: string): boolean {
    return this.sockets.of(address) < this.#caps.perAddress;
  }
}

function isOf(userId: string): (session: Session) => boolean {
  return ({ facts }) => facts.userId === userId;
}

function occupantOf({ id, facts: { userId }, phase: { state } }: Session): Occupant {
  return { id, userId, state };
}
