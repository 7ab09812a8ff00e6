/** The roll: sessions that have not ended, by who has them, on which desktop, from which address. BOUNDED by its caps. */

import { Tally } from '../../../relay/tally.ts';
import { GatewayError } from '../../errors.ts';
import type { SessionKind } from './ports.ts';
import type { Session } from './session.ts';

export interface SessionCaps {
  readonly perUser: number;
  readonly perDesktop: number;
  /** Open sockets. */
  readonly perAddress: number;
  readonly inAll: number;
}
export const SESSION_CAPS: SessionCaps = { perUser: 32, perDesktop: 16, perAddress: 256, inAll: 10_000 };

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

  /** S5: the refusal is in the audit log as that of any request. */
  requireRoom(userId: string, desktopId: string): void {
    if (this.#caps.inAll <= this.#sessions.size)
      throw new GatewayError('TOO_MANY', `${this.#caps.inAll} sessions are open`);
    const ofUser = this.#ofUser.of(userId);
    const onDesktop = this.#byDesktop.get(desktopId)?.size ?? 0;
    if (this.#caps.perUser <= ofUser) throw new GatewayError('TOO_MANY', `you have ${ofUser} sessions open`);
    if (this.#caps.perDesktop <= onDesktop)
      throw new GatewayError('TOO_MANY', `${onDesktop} sessions are on this desktop`);
  }

  /** May this address open one more socket? */
  hasRoomFor(address: string): boolean {
    return this.sockets.of(address) < this.#caps.perAddress;
  }
}
