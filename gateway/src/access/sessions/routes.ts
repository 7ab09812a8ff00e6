/** The API of tickets and sessions. */

import {
  type Session as ApiSession,
  answerJoin,
  askToJoin,
  createJoinTicket,
  endSession,
  getJoin,
  getSession,
  listParticipants,
  listSessions,
  resumeSession,
  sendMessage,
  setControl,
} from '../../../api/session.ts';
import { createTicket } from '../../../api/ticket.ts';
import { GatewayError } from '../../errors.ts';
import { type BoundRoute, bind, type ObjectLookup } from '../../platform/api/bind.ts';
import { can, isOwn, type Principal } from '../../platform/rights/rights.ts';
import { parseTimeCursor, type TimePlace, timeCursor } from '../../platform/store/time.ts';
import type { Admission } from './admission.ts';
import type { Announcer } from './announcer.ts';
import type { Joins } from './joins.ts';
import type { Roll } from './roll.ts';
import type { Session } from './session.ts';
import type { SessionStore } from './session-store.ts';
import type { Sessions } from './sessions.ts';
import type { Steerings } from './steerings.ts';

export interface SessionRoutesDeps {
  readonly roll: Roll;
  readonly admission: Admission;
  readonly sessions: Sessions;
  readonly steerings: Steerings;
  readonly joins: Joins;
  readonly store: SessionStore;
  readonly announcer: Announcer;
  readonly now: () => number;
}

export function sessionRoutes(deps: SessionRoutesDeps): BoundRoute[] {
  return [...ticketRoutes(deps), ...listRoutes(deps), ...companyRoutes(deps)];
}

function ticketRoutes({ admission, joins }: SessionRoutesDeps): BoundRoute[] {
  return [
    bind(createTicket, async ({ params, body, principal, address, note }) => {
      const ticket = await admission.create(principal, params.desktopId, body, address);
      note({ sessionId: ticket.sessionId, mode: ticket.mode, kind: ticket.kind });
      return ticket;
    }),
    bind(resumeSession, async ({ params, principal, address }) => {
      return await admission.resume(principal, params.sessionId, address);
    }),
    bind(createJoinTicket, async ({ params, principal, address, note }) => {
      const ticket = await joins.ticket(principal, params.sessionId, params.joinId, address);
      note({ sessionId: ticket.sessionId, mode: ticket.mode });
      return ticket;
    }),
  ];
}

function listRoutes({ roll, sessions, store }: SessionRoutesDeps): BoundRoute[] {
  return [
    bind(listSessions, async ({ query, principal }) => {
      const seesAll = can(principal, 'watch');
      if (!seesAll && !isOwn(principal, { ownerId: principal.userId })) return { items: [] };
      const userId = seesAll ? query.userId : principal.userId;
      const filter = { desktopId: query.desktopId, userId };
      const before = parseTimeCursor(query.cursor);
      const found =
        query.ended === 'true'
          ? overlay(await store.list(filter, query.limit + 1, before), roll)
          : openOnes(roll, filter, before);
      const items = found.slice(0, query.limit);
      const last = items.at(-1);
      const hasMore = query.limit < found.length && last !== undefined;
      return hasMore ? { items, next: timeCursor({ at: Date.parse(last.createdAt), id: last.id }) } : { items };
    }),
    bind(getSession, async ({ params }) => {
      const found = roll.get(params.sessionId)?.toApi() ?? (await store.get(params.sessionId));
      if (found === undefined) throw new GatewayError('NOT_FOUND', `there is no session ${params.sessionId}`);
      return found;
    }),
    bind(endSession, async ({ params, principal, note }) => {
      const session = roll.require(params.sessionId);
      note({ desktopId: session.facts.desktopId, userId: session.facts.userId });
      sessions.end(session, session.facts.userId === principal.userId ? 'owner' : 'operator');
    }),
    bind(listParticipants, async ({ params }) => {
      const { desktopId, kind } = roll.require(params.sessionId).facts;
      return { items: roll.on(desktopId, kind).map((session) => session.toParticipant()) };
    }),
  ];
}

function companyRoutes({ roll, steerings, joins, announcer, now }: SessionRoutesDeps): BoundRoute[] {
  return [
    bind(sendMessage, async ({ params, body, principal }) => {
      const { desktopId } = mayTalkTo(roll, params.sessionId, principal).facts;
      for (const session of roll.on(desktopId)) announcer.message(session, principal.name, body.text, now());
    }),
    bind(askToJoin, async ({ params, body, principal }) => joins.ask(principal, params.sessionId, body.mode)),
    bind(getJoin, async ({ params, principal }) => joins.get(principal, params.sessionId, params.joinId)),
    bind(answerJoin, async ({ params, body, principal }) => {
      return joins.answer(principal, params.sessionId, params.joinId, body);
    }),
    bind(setControl, async ({ params, body, principal }) => {
      const session = roll.require(params.sessionId);
      if (session.facts.userId !== principal.userId) {
        throw new GatewayError('NOT_FOUND', `there is no session ${params.sessionId}`);
      }
      steerings.control(session, principal, body);
      const { desktopId, kind } = session.facts;
      const company = roll.on(desktopId, kind);
      announcer.participants(company);
      return { items: company.map((other) => other.toParticipant()) };
    }),
  ];
}

/** Operators, and whoever is on the same desktop. Anybody else does not learn that there is such a session. */
function mayTalkTo(roll: Roll, id: string, principal: Principal): Session {
  const session = roll.require(id);
  const isThere = roll.on(session.facts.desktopId).some(({ facts }) => isOwn(principal, { ownerId: facts.userId }));
  if (!isThere && !can(principal, 'watch')) throw new GatewayError('NOT_FOUND', `there is no session ${id}`);
  return session;
}

/** Whose a session is, for access decisions. Ended ones can be looked at too. */
export function sessionLookup(roll: Roll, store: SessionStore): ObjectLookup {
  return async (id) => {
    const facts = roll.get(id)?.facts ?? (await store.get(id));
    return facts === undefined ? undefined : { ownerId: facts.userId, desktopId: facts.desktopId };
  };
}

function openOnes(
  roll: Roll,
  filter: { readonly desktopId: string | undefined; readonly userId: string | undefined },
  before: TimePlace | undefined,
): ApiSession[] {
  return roll
    .all()
    .filter(({ facts }) => filter.desktopId === undefined || facts.desktopId === filter.desktopId)
    .filter(({ facts }) => filter.userId === undefined || facts.userId === filter.userId)
    .sort((a, b) => b.facts.createdAt - a.facts.createdAt || (a.id < b.id ? 1 : -1))
    .filter(({ facts }) => before === undefined || isBefore(facts, before))
    .map((session) => session.toApi());
}

function isBefore(facts: { readonly createdAt: number; readonly id: string }, before: TimePlace): boolean {
  return facts.createdAt < before.at || (facts.createdAt === before.at && facts.id < before.id);
}

/** What runs now is newer than its row. */
function overlay(rows: readonly ApiSession[], roll: Roll): ApiSession[] {
  return rows.map((row) => roll.get(row.id)?.toApi() ?? row);
}
