/** What the gateway tells the page about its own session: messages, warnings, who asks to join. */
import { useCallback, useEffect, useState } from 'react';
import { type Join, SESSION_TOPICS, SessionEvent } from '../../../shared/session.ts';
import { listenLive } from '../api/live.ts';

export interface SessionNews {
  readonly messages: readonly { readonly from: string; readonly text: string; readonly at: string }[];
  readonly warning: { readonly why: 'idle' | 'too-long'; readonly endsAt: string } | undefined;
  readonly asked: readonly Join[];
}

const NONE: SessionNews = { messages: [], warning: undefined, asked: [] };
const MAX_SHOWN = 5;

export interface UsedSessionEvents extends SessionNews {
  readonly dropMessage: (at: string) => void;
  readonly dropJoin: (id: string) => void;
}

export function useSessionEvents(sessionId: string | undefined): UsedSessionEvents {
  const [news, setNews] = useState<SessionNews>(NONE);
  useEffect(() => {
    setNews(NONE);
    if (sessionId === undefined) return undefined;
    return listenLive(({ topic, kind, data }) => {
      if (topic !== SESSION_TOPICS.one(sessionId)) return;
      const parsed = SessionEvent.safeParse({
        type: kind.includes('.') ? kind : `session.${kind}`,
        ...(data as object | undefined),
      });
      if (parsed.success) setNews((now) => withEvent(now, parsed.data));
    });
  }, [sessionId]);
  const dropMessage = useCallback(
    (at: string) => setNews((now) => ({ ...now, messages: now.messages.filter((each) => each.at !== at) })),
    [],
  );
  const dropJoin = useCallback(
    (id: string) => setNews((now) => ({ ...now, asked: now.asked.filter((each) => each.id !== id) })),
    [],
  );
  return { ...news, dropMessage, dropJoin };
}

/** Pure. */
export function withEvent(now: SessionNews, event: SessionEvent): SessionNews {
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
      return now;
    case 'session.ended':
      return NONE;
  }
}
