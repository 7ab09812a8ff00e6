/** From a ticket to a live session: the way that every door shares. */
import { SESSION_CLOSE } from '../../../api/ticket.ts';
import type { Client, Protocols } from '../protocols/protocol.ts';
import type { Bearer } from '../tickets/ticket-box.ts';
import type { DesktopPort } from './ports.ts';
import type { Sessions } from './sessions.ts';

export interface EnterDeps {
  readonly sessions: Sessions;
  readonly desktops: DesktopPort;
  readonly protocols: Protocols;
}

export type Entered =
  | { readonly kind: 'in' }
  /** `code` and `reason` are for the client, `why` is for the audit log. */
  | { readonly kind: 'refused'; readonly code: number; readonly reason: string; readonly why: string };

export function enter(deps: EnterDeps, ticket: string | undefined, bearer: Bearer, client: Client): Entered {
  const { sessions, desktops, protocols } = deps;
  const noTicket = (why: string): Entered => ({ kind: 'refused', code: SESSION_CLOSE.TICKET, reason: 'ticket', why });
  if (ticket === undefined) return noTicket('none');
  const redeemed = sessions.tickets.redeem(ticket, bearer);
  if (redeemed.kind === 'refused') return noTicket(redeemed.why);
  if (!sessions.hasRoomFor(bearer.address)) {
    return { kind: 'refused', code: SESSION_CLOSE.LIMIT, reason: 'limit', why: 'address' };
  }
  const opened = sessions.open(redeemed.grant, bearer.address, (session, events) => {
    const { desktopId, desktopName, kind, policy } = session.facts;
    return protocols[kind].open({
      sessionId: session.id,
      desktopId,
      desktopName,
      policy,
      canLookBack: session.canLookBack,
      isDriving: () => session.isDriving,
      endpoint: () => desktops.endpoint(desktopId, kind),
      events,
      client,
    });
  });
  return opened === undefined
    ? { kind: 'refused', code: SESSION_CLOSE.ENDED, reason: 'ended', why: 'ended' }
    : { kind: 'in' };
}
