/**
 * Where a session page gets its tickets. The first time: for a session of one's own that was left (on this device or
 * another), else for a new one. Afterwards: for the same session, so that a page that dropped comes back to the screen it
 * left; for a new one again when that session is gone meanwhile.
 */

import type { DesktopView } from '../../../../api/desktop.ts';
import { ApiError } from '../../../../api/errors.ts';
import { askToJoin, createJoinTicket, endSession, getJoin, resumeSession } from '../../../../api/session.ts';
import { createTicket, type SessionMode, type Ticket } from '../../../../api/ticket.ts';
import { client, describeError } from '../../api/client.ts';
import { text } from '../../text/text.ts';
import type { AfterClose } from './close-reason.ts';

/** What the page is about: a desktop of one's own, or the session of somebody else. */
export type SessionTarget =
  | { readonly kind: 'desktop'; readonly desktopId: string; readonly view: DesktopView; readonly mode: SessionMode }
  | { readonly kind: 'join'; readonly sessionId: string; readonly mode: SessionMode };

export interface TicketSource {
  /** The session of the last ticket. */
  readonly sessionId: () => string | undefined;
  /** `onAsked`: the owner has been asked and has not answered yet. */
  readonly next: (signal: AbortSignal, onAsked?: () => void) => Promise<Ticket>;
  /** Forget the session: the next ticket is for a new one. */
  readonly startOver: () => void;
  /**
   * The person goes. A screen of one's own waits to be resumed; a serial console and a look at somebody else's session
   * end for good.
   */
  readonly leave: () => void;
}

export function ticketSource(target: SessionTarget): TicketSource {
  let sessionId: string | undefined;
  const fresh = (signal: AbortSignal, onAsked: () => void) =>
    target.kind === 'desktop' ? open(target, signal) : join(target, signal, onAsked);
  return {
    sessionId: () => sessionId,
    startOver: () => {
      sessionId = undefined;
    },
    leave: () => {
      if (target.kind === 'desktop' && target.view === 'display') return;
      // It may have ended by itself; then there is nothing to do.
      if (sessionId !== undefined) client.call(endSession, { params: { sessionId } }).catch(() => undefined);
      sessionId = undefined;
    },
    next: async (signal, onAsked = () => undefined) => {
      const ask = () => fresh(signal, onAsked);
      const ticket = sessionId === undefined ? await ask() : await resumeOr(sessionId, ask, signal);
      sessionId = ticket.sessionId;
      return ticket;
    },
  };
}

/** One's own session where it was left, or is open on another device; else a new one. */
function open({ desktopId, view, mode }: SessionTarget & { kind: 'desktop' }, signal: AbortSignal): Promise<Ticket> {
  return client.call(createTicket, { params: { desktopId }, body: { kind: view, mode, takeUp: true }, signal });
}

async function resumeOr(sessionId: string, fresh: () => Promise<Ticket>, signal: AbortSignal): Promise<Ticket> {
  try {
    return await client.call(resumeSession, { params: { sessionId }, signal });
  } catch (error) {
    const isGone = error instanceof ApiError && (error.problem.status === 410 || error.problem.status === 404);
    if (isGone) return fresh();
    throw error;
  }
}

const JOIN_POLL_MS = 1_000;

/** Asks, waits for the owner's answer (operators need none), and takes the ticket. */
async function join(
  target: SessionTarget & { kind: 'join' },
  signal: AbortSignal,
  onAsked: () => void,
): Promise<Ticket> {
  const { sessionId } = target;
  let asked = await client.call(askToJoin, { params: { sessionId }, body: { mode: target.mode }, signal });
  if (asked.state === 'asked') onAsked();
  while (asked.state === 'asked') {
    await new Promise((resolve) => setTimeout(resolve, JOIN_POLL_MS));
    signal.throwIfAborted();
    asked = await client.call(getJoin, { params: { sessionId, joinId: asked.id }, signal });
  }
  if (asked.state !== 'allowed') throw new JoinRefused(asked.state);
  return client.call(createJoinTicket, { params: { sessionId, joinId: asked.id }, signal });
}

class JoinRefused extends Error {
  override readonly name = 'JoinRefused';
  constructor(how: 'refused' | 'expired') {
    super(how === 'refused' ? text.session.link.refused : text.session.link.unanswered);
  }
}

/** Whether to ask again, when the gateway gave no ticket. */
export function afterRefusal(error: unknown): AfterClose {
  const why = describeError(error);
  if (error instanceof JoinRefused) return { kind: 'ended', why, canReopen: true };
  if (!(error instanceof ApiError)) return { kind: 'retry', why };
  const { status, code } = error.problem;
  if (500 <= status) return { kind: 'retry', why };
  if (code === 'CONFLICT') return { kind: 'retry', why };
  return { kind: 'ended', why, canReopen: status === 429 || status === 410 };
}
