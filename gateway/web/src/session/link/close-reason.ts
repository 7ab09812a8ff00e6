/** What the end of a session's socket means to the person in front of it. The codes are shared/ticket.ts's. */
import type { SessionEnd } from '../../../../api/session.ts';
import { SESSION_CLOSE, type SessionCloseName, shouldReconnect } from '../../../../api/ticket.ts';

export type AfterClose =
  /** The page comes back by itself. */
  | { readonly kind: 'retry'; readonly why: string }
  /** It does not; the person may ask for a new session where `canReopen`. */
  | { readonly kind: 'ended'; readonly why: string; readonly canReopen: boolean };

const WHY: Readonly<Record<SessionCloseName, string>> = {
  GOING_AWAY: 'The gateway is restarting.',
  NORMAL: 'The session has ended.',
  PROTOCOL_ERROR: 'The connection broke the protocol.',
  UNSUPPORTED_DATA: 'The connection broke the protocol.',
  POLICY: 'The session did something that its policy refuses.',
  TICKET: 'The admission to the session had expired.',
  REVOKED: 'Your access to this desktop was taken away.',
  IDLE: 'The session ended because nothing was typed or moved for a long time.',
  ENDED: 'An operator or a time limit ended the session.',
  MOVED: 'You opened this session somewhere else.',
  LIMIT: 'There are too many sessions open.',
  VM_PROTOCOL: 'The desktop sent something that is not a screen.',
  VM_AWAY: 'The desktop is not running or does not answer.',
  TOO_SLOW: 'The connection was too slow.',
};

const NAMES = new Map<number, SessionCloseName>(
  Object.entries(SESSION_CLOSE).map(([name, code]) => [code, name as SessionCloseName]),
);

export function afterClose(code: number): AfterClose {
  const name = NAMES.get(code);
  const why = name === undefined ? 'The connection was lost.' : WHY[name];
  if (shouldReconnect(code)) return { kind: 'retry', why };
  return { kind: 'ended', why, canReopen: code !== SESSION_CLOSE.REVOKED };
}

/** What the gateway's event says is more exact than a close code; where it says no more, the code's words stay. */
const ENDS: Partial<Readonly<Record<SessionEnd, string>>> = {
  operator: 'An operator ended this session.',
  owner: 'You ended this session.',
  'too-long': 'The session has reached its time limit.',
};

export function whyEnded(end: SessionEnd | undefined, why: string): string {
  return (end === undefined ? undefined : ENDS[end]) ?? why;
}
