/** Tells pages what happens to sessions, over the hub of live events. */
import {
  type ClipboardRefusal,
  type Join,
  SESSION_TOPICS,
  type SessionEnd,
  type SessionEvent,
} from '../../../api/session.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { iso } from '../../platform/store/time.ts';
import type { Session } from './session.ts';

export class Announcer {
  readonly #hub: EventHub;
  constructor(hub: EventHub) {
    this.#hub = hub;
  }

  changed(session: Session): void {
    const event = { kind: 'changed', id: session.id, data: session.toApi() };
    this.#hub.publish(SESSION_TOPICS.all, event, { ownerId: session.facts.userId, right: 'watch' });
  }
  participants(sessions: readonly Session[]): void {
    const items = sessions.map((session) => session.toParticipant());
    for (const session of sessions) this.#tell(session, { type: 'session.participants', items });
  }
  warning(session: Session, why: 'idle' | 'too-long', endsAt: number): void {
    this.#tell(session, { type: 'session.warning', why, endsAt: iso(endsAt) });
  }
  warningOver(session: Session): void {
    this.#tell(session, { type: 'session.warning-over' });
  }
  clipboardRefused(session: Session, refusal: ClipboardRefusal, maxBytes: number): void {
    this.#tell(session, { type: 'session.clipboard-refused', ...refusal, maxBytes });
  }
  ended(session: Session, end: SessionEnd): void {
    this.#tell(session, { type: 'session.ended', end });
  }
  message(session: Session, from: string, text: string, at: number): void {
    this.#tell(session, { type: 'session.message', from, text, at: iso(at) });
  }
  joinAsked(session: Session, join: Join): void {
    this.#tell(session, { type: 'session.join-asked', join });
  }
  /** For who asked, and for the owner's page, which stops asking. */
  joinAnswered(session: Session, join: Join): void {
    this.#hub.publish(
      SESSION_TOPICS.all,
      { kind: 'join', id: join.id, data: join },
      { ownerId: join.userId, right: 'watch' },
    );
    this.#tell(session, { type: 'session.join-answered', join });
  }

  #tell(session: Session, event: SessionEvent): void {
    const { type, ...data } = event;
    const kind = type.slice('session.'.length);
    // Right `watch`: an operator who follows a session sees what its page sees.
    this.#hub.publish(
      SESSION_TOPICS.one(session.id),
      { kind, id: session.id, data },
      { ownerId: session.facts.userId, right: 'watch' },
    );
  }
}
