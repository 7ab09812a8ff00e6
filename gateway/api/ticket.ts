/**
 * Tickets: one-time admission to one session (TICKETED), and the WebSocket that they open.
 *
 * The page asks for a ticket and opens `new WebSocket(socketPath, ['binary', ticketProtocol(ticket)])`: the ticket goes
 * as a subprotocol, so that it is in no address, history, referrer or access log. The server selects `binary`. Only
 * binary frames are taken; on a `display` socket they carry RFB (security type None: the gateway has done the VM's), on
 * a `serial` socket they carry the raw bytes of the console (console.ts says how a page resumes them).
 */
import { z } from 'zod';
import { DesktopParams, DesktopView } from './desktop.ts';
import { route } from './route.ts';

export const TICKET_LIMITS = { ticketChars: 43, lifeMs: 30_000 } as const;

/** The path of the socket; nothing else is in the address. */
export const SESSION_SOCKET_PATH = '/ws/session';
/** The subprotocol that the server selects. */
export const SESSION_PROTOCOL = 'binary';
const TICKET_PROTOCOL_PREFIX = 'oriel.ticket.';

/** What goes beside `binary` in the list of subprotocols. */
export function ticketProtocol(ticket: string): string {
  return `${TICKET_PROTOCOL_PREFIX}${ticket}`;
}
/** The ticket in a list of subprotocols; undefined where there is none that could be one. */
export function ticketOf(protocols: readonly string[]): string | undefined {
  const found = protocols.find((protocol) => protocol.startsWith(TICKET_PROTOCOL_PREFIX));
  const ticket = found?.slice(TICKET_PROTOCOL_PREFIX.length);
  return ticket !== undefined && /^[A-Za-z0-9_-]{43}$/.test(ticket) ? ticket : undefined;
}

/** `control` sends input, `view` cannot: the server drops it. */
export const SessionMode = z.enum(['control', 'view']);
export type SessionMode = z.infer<typeof SessionMode>;

export const TicketRequest = z.object({
  kind: DesktopView.default('display'),
  mode: SessionMode.default('control'),
  /**
   * Takes up one's own session of this kind and mode on the desktop where there is one: left, or open by another sign-in,
   * which is another device or browser (it is told MOVED). What another window of this sign-in has open stays there. Else,
   * and without it, a new session.
   */
  takeUp: z.boolean().default(false),
});
export type TicketRequest = z.infer<typeof TicketRequest>;

export const Ticket = z.object({
  /** 43 characters of base64url. Shown once: the gateway keeps its hash. */
  ticket: z.string().length(TICKET_LIMITS.ticketChars),
  expiresAt: z.iso.datetime(),
  socketPath: z.literal(SESSION_SOCKET_PATH),
  /** The session that the ticket opens or resumes. */
  sessionId: z.string(),
  kind: DesktopView,
  mode: SessionMode,
});
export type Ticket = z.infer<typeof Ticket>;

/** A session on a desktop: a new one, or with `takeUp` one's own. `control` needs the right `open`, `view` the right `open` or `view`. */
export const createTicket = route({
  id: 'ticket.create',
  method: 'post',
  path: '/desktops/{desktopId}/tickets',
  summary: 'Gives a one-time ticket for a session on a desktop',
  access: { right: 'view', on: 'desktop', by: 'desktopId' },
  params: DesktopParams,
  body: TicketRequest,
  reply: Ticket,
  status: 201,
  errors: ['FORBIDDEN', 'CONFLICT', 'NOT_SUPPORTED', 'TOO_MANY', 'UNAVAILABLE'],
});

/**
 * Why the server closed a session's socket. The reason text of the close frame is one of these names in lower case,
 * never a detail of the host or the VM.
 */
export const SESSION_CLOSE = {
  /** The gateway stops, to start again: the session waits. Come back with a new ticket for the same session. */
  GOING_AWAY: 1001,
  /** The VM closed the connection in an orderly way, or the user ended the session. */
  NORMAL: 1000,
  PROTOCOL_ERROR: 1002,
  /** A text frame: this socket takes binary ones. */
  UNSUPPORTED_DATA: 1003,
  /** A message of the inner protocol that policy or a limit refuses. */
  POLICY: 1008,
  /** No ticket, or one that is unknown, used or too old. Ask for a new one. */
  TICKET: 4401,
  /** A user, right or desktop was taken away. Do not come back. */
  REVOKED: 4403,
  /** The sign-in or token that it was opened with ended: one signed out. Do not come back. */
  SIGNED_OUT: 4404,
  /** Nothing was typed or moved for too long. */
  IDLE: 4408,
  /** An operator, the owner or the absolute limit ended the session. Do not come back by itself. */
  ENDED: 4410,
  /** The same session was opened somewhere else. Do not come back by itself. */
  MOVED: 4409,
  /** Too many sessions. */
  LIMIT: 4429,
  /** What is inside is not what the protocol says: a hostile or broken VM. */
  VM_PROTOCOL: 4502,
  /** The VM is away. Try again with a new ticket. */
  VM_AWAY: 4503,
  /** This viewer was too slow for a shared console. Come back. */
  TOO_SLOW: 4508,
} as const;
export type SessionCloseName = keyof typeof SESSION_CLOSE;

/** Whether a page should come back by itself, with a fresh ticket for the same session. */
export function shouldReconnect(code: number): boolean {
  switch (code) {
    case SESSION_CLOSE.NORMAL:
    case SESSION_CLOSE.REVOKED:
    case SESSION_CLOSE.SIGNED_OUT:
    case SESSION_CLOSE.IDLE:
    case SESSION_CLOSE.ENDED:
    case SESSION_CLOSE.MOVED:
    case SESSION_CLOSE.LIMIT:
    case SESSION_CLOSE.POLICY:
      return false;
    default:
      return true;
  }
}
