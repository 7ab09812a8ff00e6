/** What the gateway tells the page about its own session: messages, warnings, who asks to join. */
import { useCallback, useEffect, useState } from 'react';
import { listParticipants, SESSION_TOPICS, SessionEvent } from '../../../../api/session.ts';
import { client } from '../../api/client.ts';
import { listenLive } from '../../api/live.ts';
import { useMe } from '../../api/use-me.ts';
import { NO_NEWS, type SessionNews, withEvent, withPeople } from './session-news.ts';

export interface UsedSessionEvents extends SessionNews {
  readonly dropMessage: (at: string) => void;
  readonly dropJoin: (id: string) => void;
  readonly dropArrival: (id: string) => void;
}

/** `isConnected`: who is here is asked for once then, for the stream of events may have begun too late to tell. */
export function useSessionEvents(sessionId: string | undefined, isConnected: boolean): UsedSessionEvents {
  const [news, setNews] = useState<SessionNews>(NO_NEWS);
  const userId = useMe().me?.id;
  useEffect(() => {
    setNews(NO_NEWS);
    if (sessionId === undefined) return undefined;
    return listenLive(({ topic, kind, data }) => {
      if (topic !== SESSION_TOPICS.one(sessionId)) return;
      const parsed = SessionEvent.safeParse({
        type: kind.includes('.') ? kind : `session.${kind}`,
        ...(data as object | undefined),
      });
      if (parsed.success) setNews((now) => withEvent(now, parsed.data, { sessionId, userId }));
    });
  }, [sessionId, userId]);
  useEffect(() => {
    if (sessionId === undefined || !isConnected) return undefined;
    const abort = new AbortController();
    client.call(listParticipants, { params: { sessionId }, signal: abort.signal }).then(
      ({ items }) => setNews((now) => withPeople(now, items, { sessionId, userId })),
      () => undefined, // The next event tells.
    );
    return () => abort.abort();
  }, [sessionId, userId, isConnected]);
  const dropMessage = useCallback(
    (at: string) => setNews((now) => ({ ...now, messages: now.messages.filter((each) => each.at !== at) })),
    [],
  );
  const dropJoin = useCallback(
    (id: string) => setNews((now) => ({ ...now, asked: now.asked.filter((each) => each.id !== id) })),
    [],
  );
  const dropArrival = useCallback(
    (id: string) => setNews((now) => ({ ...now, arrived: now.arrived.filter((each) => each.id !== id) })),
    [],
  );
  return { ...news, dropMessage, dropJoin, dropArrival };
}
