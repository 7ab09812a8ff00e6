/**
 * Sessions: one person's connection to a desktop. It has an owner and outlives its socket: a page that drops comes back
 * with a fresh ticket for the same session, from this device or another. Several sessions on one desktop see each other.
 */
import { z } from 'zod';
import { DesktopView } from './desktop.ts';
import { pageOf, pageQuery } from './page.ts';
import { plainLines } from './plain-text.ts';
import { route } from './route.ts';
import { Clipboard } from './session-rules.ts';
import { SessionMode, Ticket } from './ticket.ts';

export const SESSION_LIMITS = { messageChars: 500, joinLifeMs: 60_000 } as const;

/** `waiting` for its ticket to be used, `connecting` to the VM, `live`, `parked` between two sockets, `ended`. */
export const SessionState = z.enum(['waiting', 'connecting', 'live', 'parked', 'ended']);
export type SessionState = z.infer<typeof SessionState>;

export const SessionEnd = z.enum([
  'closed',
  'dropped',
  'revoked',
  /** The sign-in or token that it was opened with ended. */
  'signed-out',
  'idle',
  'too-long',
  'operator',
  'owner',
  'vm-away',
  'vm-protocol',
  'client-protocol',
  'never-opened',
  'gateway-stopped',
  /** It was let in by the owner of another session, and that one ended. */
  'consent-ended',
  /** Its user had many here, and somebody who had fewer came. */
  'made-room',
]);
export type SessionEnd = z.infer<typeof SessionEnd>;

/** What the server enforces. `null` is no limit. `in` is towards the VM. */
export const SessionPolicy = z.object({
  clipboard: Clipboard,
  clipboardBytes: z.number().int(),
  /** Refused combinations as X11 key names joined by `+`, such as `Control_L+Alt_L+F2`. */
  refusedKeys: z.array(z.string()),
  bandwidthBytesPerSecond: z.number().int().nullable(),
  /** Nothing typed or moved for so long ends the session. */
  idleMs: z.number().int().nullable(),
  /** So long after its start the session ends. */
  absoluteMs: z.number().int().nullable(),
  /** The event `warning` comes so long before either. */
  warnMs: z.number().int(),
  /** How long a dropped session waits for its user. */
  graceMs: z.number().int(),
  /** Whether the guest may be asked for another size. */
  canResize: z.boolean(),
});
export type SessionPolicy = z.infer<typeof SessionPolicy>;

export const Session = z.object({
  id: z.string(),
  desktopId: z.string(),
  desktopName: z.string(),
  kind: DesktopView,
  userId: z.string(),
  userName: z.string(),
  mode: SessionMode,
  state: SessionState,
  /** The session that this one joined; null for one that was opened on its own. */
  joinedId: z.string().nullable(),
  /** Whether its input reaches the VM now. */
  isDriving: z.boolean(),
  /** Where the browser is; only for operators and for one's own. */
  address: z.string().nullable(),
  createdAt: z.iso.datetime(),
  liveAt: z.iso.datetime().nullable(),
  /** While it is `parked`: until then its user can come back to it. */
  keptUntil: z.iso.datetime().nullable(),
  endedAt: z.iso.datetime().nullable(),
  end: SessionEnd.nullable(),
  bytesIn: z.number().int(),
  bytesOut: z.number().int(),
  policy: SessionPolicy,
});
export type Session = z.infer<typeof Session>;

/** Who is here: what everybody on a desktop may know of the others. */
export const Participant = Session.pick({
  id: true,
  userId: true,
  userName: true,
  kind: true,
  mode: true,
  state: true,
  joinedId: true,
  isDriving: true,
});
export type Participant = z.infer<typeof Participant>;

export const JoinState = z.enum(['asked', 'allowed', 'refused', 'expired']);
export type JoinState = z.infer<typeof JoinState>;

/** Somebody's wish to see or steer another's session. */
export const Join = z.object({
  id: z.string(),
  sessionId: z.string(),
  userId: z.string(),
  userName: z.string(),
  mode: SessionMode,
  state: JoinState,
  /** Allowed by right: the owner is told, not asked. */
  isByRight: z.boolean(),
  expiresAt: z.iso.datetime(),
});
export type Join = z.infer<typeof Join>;

export const SessionParams = z.object({ sessionId: z.string().max(64) });
export const JoinParams = SessionParams.extend({ joinId: z.string().max(64) });

export const listSessions = route({
  id: 'session.list',
  method: 'get',
  path: '/sessions',
  summary: 'Lists sessions, newest first: all for operators, their own for users',
  access: 'signed-in',
  query: pageQuery.extend({
    desktopId: z.string().max(64).optional(),
    userId: z.string().max(64).optional(),
    /** Also those that have ended. */
    ended: z.enum(['true', 'false']).default('false'),
  }),
  reply: pageOf(Session),
});
export const getSession = route({
  id: 'session.get',
  method: 'get',
  path: '/sessions/{sessionId}',
  summary: 'Shows one session',
  access: { right: 'watch', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  reply: Session,
});
export const endSession = route({
  id: 'session.end',
  method: 'delete',
  path: '/sessions/{sessionId}',
  summary: "Ends a session: one's own, one that joined it, or any for operators",
  access: { right: 'watch', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
});
/** A dropped or open session moves to whoever uses the ticket: the same user, this device or another. */
export const resumeSession = route({
  id: 'session.resume',
  method: 'post',
  path: '/sessions/{sessionId}/tickets',
  summary: "Gives a one-time ticket that resumes one's own session",
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  reply: Ticket,
  status: 201,
  errors: ['GONE', 'FORBIDDEN', 'CONFLICT', 'UNAVAILABLE'],
});
export const listParticipants = route({
  id: 'session.participants',
  method: 'get',
  path: '/sessions/{sessionId}/participants',
  summary: 'Lists who is on the desktop of a session',
  access: { right: 'watch', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  reply: z.object({ items: z.array(Participant) }),
});
/** Every page on the desktop gets the event `message`. */
export const sendMessage = route({
  id: 'session.message',
  method: 'post',
  path: '/sessions/{sessionId}/messages',
  summary: 'Shows a text in the page of a session; for operators and for people on the same desktop',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  body: z.object({ text: plainLines(SESSION_LIMITS.messageChars).trim().min(1) }),
  rate: { times: 10, perMs: 10_000, of: 'person' },
  errors: ['GONE'],
});

/** The owner gets the event `join-asked`, who asked gets `join` with each change. Operators are allowed at once. */
export const askToJoin = route({
  id: 'join.create',
  method: 'post',
  path: '/sessions/{sessionId}/joins',
  summary: 'Asks to view or steer the session of somebody else',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  body: z.object({ mode: SessionMode.default('view') }),
  reply: Join,
  status: 201,
  rate: { times: 10, perMs: 10_000, of: 'person' },
  errors: ['GONE', 'TOO_MANY', 'CONFLICT'],
});
export const getJoin = route({
  id: 'join.get',
  method: 'get',
  path: '/sessions/{sessionId}/joins/{joinId}',
  summary: 'Shows whether the owner has answered',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: JoinParams,
  reply: Join,
});
export const answerJoin = route({
  id: 'join.answer',
  method: 'post',
  path: '/sessions/{sessionId}/joins/{joinId}/answer',
  summary: 'The owner allows or refuses; `view` may be granted where control was asked for',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: JoinParams,
  body: z.object({ allow: z.boolean(), mode: SessionMode.optional() }),
  reply: Join,
  errors: ['CONFLICT'],
});
export const createJoinTicket = route({
  id: 'join.ticket',
  method: 'post',
  path: '/sessions/{sessionId}/joins/{joinId}/tickets',
  summary: 'Gives who was allowed a one-time ticket for a session of their own on the same desktop',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: JoinParams,
  reply: Ticket,
  status: 201,
  errors: ['CONFLICT', 'GONE', 'TOO_MANY', 'UNAVAILABLE'],
});

/**
 * Who steers. `take`: only this session does. `give`: only `toSessionId` does. `share`: everybody in mode `control` does.
 * All of them need mode `control`, the right `open` on the desktop at that moment and, in a session that joined another by
 * right, the right `watch`. Who was let in by consent decides nothing; given control, they can give it back to the session
 * that they joined, and they steer only while that one is live.
 */
export const setControl = route({
  id: 'session.control',
  method: 'post',
  path: '/sessions/{sessionId}/control',
  summary: 'Takes, gives or shares control of the desktop',
  access: { right: 'view', on: 'session', by: 'sessionId', owner: true },
  params: SessionParams,
  body: z.discriminatedUnion('action', [
    z.object({ action: z.literal('take') }),
    z.object({ action: z.literal('give'), toSessionId: z.string().max(64) }),
    z.object({ action: z.literal('share') }),
  ]),
  rate: { times: 20, perMs: 10_000 },
  reply: z.object({ items: z.array(Participant) }),
  errors: ['CONFLICT', 'FORBIDDEN'],
});

/**
 * Live events (events.ts). On topic `session`, kind `changed`, data Session: one's own, and all for those with the
 * right `watch`; kind `join`, data Join: for who asked to join. On topic `session:<id>`, for the person whose session it
 * is: SessionEvent, where the event's kind is `type` without `session.` and its data the rest.
 */
export const SESSION_TOPICS = { all: 'session', one: (id: string): string => `session:${id}` } as const;

/** What was copied does not pass, and what was there before stays. `in` is towards the VM. */
export const ClipboardRefusal = z.object({ direction: z.enum(['in', 'out']), why: z.enum(['too-large', 'policy']) });
export type ClipboardRefusal = z.infer<typeof ClipboardRefusal>;

export const SessionEvent = z.discriminatedUnion('type', [
  z.object({ type: z.literal('session.participants'), items: z.array(Participant) }),
  z.object({ type: z.literal('session.warning'), why: z.enum(['idle', 'too-long']), endsAt: z.iso.datetime() }),
  /** Somebody typed: the warning is over. */
  z.object({ type: z.literal('session.warning-over') }),
  z.object({ type: z.literal('session.message'), from: z.string(), text: z.string(), at: z.iso.datetime() }),
  z.object({ type: z.literal('session.join-asked'), join: Join }),
  z.object({ type: z.literal('session.join-answered'), join: Join }),
  /** A text was copied and is not passed on. */
  z.object({ type: z.literal('session.clipboard-refused'), ...ClipboardRefusal.shape, maxBytes: z.number().int() }),
  z.object({ type: z.literal('session.ended'), end: SessionEnd }),
]);
export type SessionEvent = z.infer<typeof SessionEvent>;
