/** Who steers each desktop now; what follows from the rules in control.ts is told to the connections. */
import { GatewayError } from '../../errors.ts';
import { afterLeaving, type ControlAction, isDriving, type Seat, type Steering, steer } from './control.ts';
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

  /** Takes, gives or shares control; whoever loses it lets go of the keys. */
  control(session: Session, asked: ControlAction): void {
    const { desktopId, kind } = session.facts;
    const steering = steer(this.#seats(desktopId, kind), seatOf(session), this.#of(desktopId, kind), asked);
    if (steering === undefined) throw new GatewayError('FORBIDDEN', `this session cannot ${asked.action} control`);
    this.#set(desktopId, kind, steering);
  }

  /** It came, or came back. */
  seat(session: Session): void {
    const driving = isDriving(seatOf(session), this.#of(session.facts.desktopId, session.facts.kind));
    if (driving === session.isDriving) return;
    session.isDriving = driving;
    session.conduit?.drivingChanged();
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
    for (const session of this.#roll.on(desktopId, kind)) this.seat(session);
  }

  #seats(desktopId: string, kind: SessionKind): Seat[] {
    return this.#roll.on(desktopId, kind).map(seatOf);
  }
}

function seatOf({ facts }: Session): Seat {
  return {
    sessionId: facts.id,
    userId: facts.userId,
    mode: facts.mode,
    joinedId: facts.joinedId,
    isOperator: facts.isOperator,
  };
}
