/**
 * Live events: one EventSource for the whole page. It resumes by itself after a gap (Last-Event-ID); when the gap was too
 * long the gateway says `reset` and everything shown is fetched again.
 */
import { ApiEvent, eventStream } from '../../../api/events.ts';
import { client } from './client.ts';
import { queryClient } from './query-client.ts';

type Listener = (event: ApiEvent) => void;

const listeners = new Set<Listener>();
const returns = new Set<() => void>();
let source: EventSource | undefined;
let lastId: string | undefined;
let reopen: ReturnType<typeof setTimeout> | undefined;
let pause: ReturnType<typeof setTimeout> | undefined;
const REOPEN_MS = 5_000;
const PAUSE_AFTER_MS = 10_000;

/** Calls `listener` for each event until the returned function is called. */
export function listenLive(listener: Listener): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

/** Calls `listener` when the stream is back after it was lost: the gateway answers again. */
export function onLiveBack(listener: () => void): () => void {
  returns.add(listener);
  return () => returns.delete(listener);
}

/**
 * Keeps the stream open while somebody is signed in and the page is looked at; gives what ends that. A browser has six
 * connections to a host (HTTP/1.1), which a handful of tabs in the background would otherwise take up for good.
 */
export function startLive(): () => void {
  const follow = () => {
    clearTimeout(pause);
    if (document.visibilityState === 'hidden') pause = setTimeout(close, PAUSE_AFTER_MS);
    else if (source === undefined) open();
  };
  follow();
  document.addEventListener('visibilitychange', follow);
  return () => {
    document.removeEventListener('visibilitychange', follow);
    clearTimeout(pause);
    close();
    lastId = undefined;
  };
}

function close(): void {
  clearTimeout(reopen);
  source?.close();
  source = undefined;
}

function open(): void {
  close();
  const opened = new EventSource(client.url(eventStream, lastId === undefined ? {} : { query: { after: lastId } }));
  source = opened;
  opened.onmessage = (message: MessageEvent<string>) => {
    lastId = message.lastEventId;
    handle(message.data);
  };
  let wasLost = false;
  opened.onopen = () => {
    if (wasLost) for (const listener of returns) listener();
    wasLost = false;
  };
  opened.addEventListener('reset', () => void queryClient.invalidateQueries());
  opened.onerror = () => {
    wasLost = true;
    // The browser tries again by itself after a network loss, but not after an HTTP error: those we try again, slowly.
    if (opened.readyState !== EventSource.CLOSED || source !== opened) return;
    reopen = setTimeout(open, REOPEN_MS);
  };
}

function handle(data: string): void {
  const parsed = ApiEvent.safeParse(parseJson(data));
  if (!parsed.success) return;
  refresh(parsed.data);
  for (const listener of listeners) listener(parsed.data);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Which cached answers an event makes stale: keys start with a route id, `<resource>.<verb>`. */
const STALE: ReadonlyMap<string, readonly string[]> = new Map([
  ['vm', ['vm.', 'desktop.']],
  ['desktop', ['desktop.']],
  ['host', ['host.']],
  ['storage', ['storage.']],
  ['disk', ['disk.', 'snapshot.']],
  ['task', ['task.']],
  ['session', ['session.']],
  ['people', ['user.', 'group.', 'assignment.', 'token.']],
  ['audit', ['audit.']],
]);

/** `session:<id>` is about `session`. */
function subjectOf(topic: string): string {
  return topic.split(':')[0] ?? topic;
}

const WAIT_MS = 150;
let stale = new Set<string>();
let flush: ReturnType<typeof setTimeout> | undefined;

/** Many events in a moment make one fetch. */
function refresh(event: ApiEvent): void {
  for (const prefix of STALE.get(subjectOf(event.topic)) ?? []) stale.add(prefix);
  flush ??= setTimeout(() => {
    flush = undefined;
    const prefixes = [...stale];
    stale = new Set();
    void queryClient.invalidateQueries({
      predicate: ({ queryKey }) => prefixes.some((prefix) => String(queryKey[0]).startsWith(prefix)),
    });
  }, WAIT_MS);
}
