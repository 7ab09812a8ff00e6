/** Who steers each desktop now; what follows from the rules in control.ts is told to the connections. */
import { GatewayError } from '../../errors.ts';
import { can, type Principal } from '../../platform/rights/rights.ts';
import {
  afterLeaving,
  type Caller,
  type ControlAction,
  decides,
  isDriving,
  type Seat,
  type Steering,
  steer,
} from '../decisions/control.ts';
import type { SessionKind } from './ports.ts';
import type { Roll } from './roll.ts';
import type { Session } from './session.ts';

export class Steerings {
  readonly #roll: Roll;
  /** By desktop and kind; absent means shared. */
  readonly #steering = new Map<string, Steering>();

  constructor(roll: Roll) {
    this.#roll = roll;
  }

  /** Takes, gives or shares control, by who may now; whoever loses it lets go of the keys. */
  control(session: Session, principal: Principal, asked: ControlAction): void {
    const { desktopId, kind } = session.facts;
    const by = this.#callerOf(session, principal);
    const steering = steer(this.#seats(desktopId, kind), by, this.#of(desktopId, kind), asked);
    if (steering === undefined) throw new GatewayError('FORBIDDEN', `this session cannot ${asked.action} control`);
    this.#set(desktopId, kind, steering);
  }

  /** May the principal, whose session it is, let others into it? */
  mayAdmit(session: Session, principal: Principal): boolean {
    return decides(this.#callerOf(session, principal));
  }

  /** It came, came back or was lost: it steers or not, and so does who was let in by it. */
  seat(session: Session): void {
    this.#seat(session);
    for (const guest of this.#roll.guestsOf(session)) this.#seat(guest);
  }

  #seat(session: Session): void {
    const driving = isDriving(this.#seatOf(session), this.#of(session.facts.desktopId, session.facts.kind));
    if (driving === session.isDriving) return;
    session.isDriving = driving;
    for (const channel of session.channels) channel.drivingChanged();
  }

  /** It is off the roll already. */
  left({ facts: { desktopId, kind } }: Session): void {
    const now = this.#of(desktopId, kind);
    if (now.kind === 'one') this.#set(desktopId, kind, afterLeaving(this.#seats(desktopId, kind), now));
  }

  #of(desktopId: string, kind: SessionKind): Steering {
    return this.#steering.get(`${desktopId}/${kind}`) ?? { kind: 'shared' };
  }

  #set(desktopId: string, kind: SessionKind, steering: Steering): void {
    if (steering.kind === 'shared') this.#steering.delete(`${desktopId}/${kind}`);
    else this.#steering.set(`${desktopId}/${kind}`, steering);
    for (const session of this.#roll.on(desktopId, kind)) this.#seat(session);
  }

  #seats(desktopId: string, kind: SessionKind): Seat[] {
    return this.#roll.on(desktopId, kind).map((session) => this.#seatOf(session));
  }

  #callerOf(session: Session, principal: Principal): Caller {
    const canOpen = can(principal, 'open', { desktopId: session.facts.desktopId });
    return { seat: this.#seatOf(session), canOpen, canWatch: can(principal, 'watch') };
  }

  #seatOf({ facts: { id, mode, joinedId, isByConsent } }: Session): Seat {
    const host = joinedId === null ? undefined : this.#roll.get(joinedId);
    return { sessionId: id, mode, joinedId, isByConsent, isHostLive: host?.phase.state === 'live' };
  }
}
