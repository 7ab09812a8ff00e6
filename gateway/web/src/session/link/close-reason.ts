/** What the end of a session's socket means to the person in front of it. The codes are shared/ticket.ts's. */
import type { SessionEnd } from '../../../../api/session.ts';
import { SESSION_CLOSE, type SessionCloseName, shouldReconnect } from '../../../../api/ticket.ts';
import { text } from '../../text/text.ts';

export type AfterClose =
  /** The page comes back by itself. */
  | { readonly kind: 'retry'; readonly why: string }
  /** It does not; the person may ask for a new session where `canReopen`. */
  | { readonly kind: 'ended'; readonly why: string; readonly canReopen: boolean };

const WHY: Readonly<Record<SessionCloseName, string>> = text.session.closed;

const NAMES = new Map<number, SessionCloseName>(
  Object.entries(SESSION_CLOSE).map(([name, code]) => [code, name as SessionCloseName]),
);

export function afterClose(code: number): AfterClose {
  const name = NAMES.get(code);
  const why = name === undefined ? text.session.link.lost : WHY[name];
  if (shouldReconnect(code)) return { kind: 'retry', why };
  return { kind: 'ended', why, canReopen: code !== SESSION_CLOSE.REVOKED && code !== SESSION_CLOSE.SIGNED_OUT };
}

/** What the gateway's event says is more exact than a close code; where it says no more, the code's words stay. */
const ENDS: Partial<Readonly<Record<SessionEnd, string>>> = {
  operator: text.session.ended.operator,
  owner: text.session.ended.owner,
  'too-long': text.session.ended.tooLong,
};

export function whyEnded(end: SessionEnd | undefined, why: string): string {
  return (end === undefined ? undefined : ENDS[end]) ?? why;
}
