/** What a session page has been told so far, and how each event of the gateway changes that. Pure. */
import type { Join, Participant, SessionEnd, SessionEvent } from '../../../../api/session.ts';

export interface SessionNews {
  readonly messages: readonly { readonly from: string; readonly text: string; readonly at: string }[];
  readonly warning: { readonly why: 'idle' | 'too-long'; readonly endsAt: string } | undefined;
  /** Who asks to join and waits for an answer. */
  readonly asked: readonly Join[];
  /** Who is on the desktop, this page included. */
  readonly people: readonly Participant[];
  /** Who has come and was not waved away yet: nobody looks on unseen. */
  readonly arrived: readonly Arrival[];
  /** The last thing that was copied and did not go over. */
  readonly refusal: (SessionEvent & { readonly type: 'session.clipboard-refused' }) | undefined;
  /** Why the session ended, once it has. */
  readonly end: SessionEnd | undefined;
}

/** `wasHere`: before this page came. */
export type Arrival = Participant & { readonly wasHere: boolean };

export const NO_NEWS: SessionNews = {
  messages: [],
  warning: undefined,
  asked: [],
  people: [],
  arrived: [],
  refusal: undefined,
  end: undefined,
};
const MAX_SHOWN = 5;

/** The page's own session, and whose it is. */
export interface Self {
  readonly sessionId: string;
  readonly userId: string | undefined;
}

export function withEvent(now: SessionNews, event: SessionEvent, self: Self): SessionNews {
  switch (event.type) {
    case 'session.message':
      return { ...now, messages: [...now.messages.slice(1 - MAX_SHOWN), event] };
    case 'session.warning':
      return { ...now, warning: event };
    case 'session.warning-over':
      return { ...now, warning: undefined };
    case 'session.join-asked':
      return {
        ...now,
        asked: [...now.asked.filter((each) => each.id !== event.join.id).slice(1 - MAX_SHOWN), event.join],
      };
    case 'session.join-answered':
      return { ...now, asked: now.asked.filter((each) => each.id !== event.join.id) };
    case 'session.participants':
      return withPeople(now, event.items, self);
    case 'session.clipboard-refused':
      return { ...now, refusal: event };
    case 'session.ended':
      return { ...NO_NEWS, end: event.end };
  }
}

export function withPeople(now: SessionNews, items: readonly Participant[], { sessionId, userId }: Self): SessionNews {
  const people = items.filter(isHere);
  const isIn = (all: readonly Participant[], one: Participant) => all.some((each) => each.id === one.id);
  const wasHere = now.people.length === 0;
  // One's own other windows are no news, also while one's own session is not among those who are here.
  const mine = userId ?? people.find((each) => each.id === sessionId)?.userId;
  const fresh = people
    .filter((each) => each.userId !== mine && each.id !== sessionId && !isIn(now.people, each))
    .map((each) => ({ ...each, wasHere }));
  const stillHere = now.arrived.filter((each) => isIn(people, each));
  return { ...now, people, arrived: [...stillHere, ...fresh].slice(-MAX_SHOWN) };
}

/** A session that waits for its ticket to be used, or that was left, is nobody who looks on. */
export function isHere({ state }: Participant): boolean {
  return state === 'live' || state === 'connecting';
}
