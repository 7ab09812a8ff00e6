/**
 * Live events: one EventSource for all windows of the browser. It resumes by itself after a gap (Last-Event-ID); when the gap was too
 * long the gateway says `reset` and everything shown is fetched again.
 */
import { ApiEvent, eventStream } from '../../../api/events.ts';
import { readShown } from '../../../api/text.ts';
import { client } from './client.ts';
import { LIVE_BEAT, type LiveWish } from './live-readers.ts';
import { type LiveNews, LiveStream } from './live-stream.ts';
import { queryClient } from './query-client.ts';

type Listener = (event: ApiEvent) => void;

const listeners = new Set<Listener>();
const returns = new Set<() => void>();
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
 * Keeps the stream open while this person is signed in and the page is looked at; gives what ends that. A browser has six
 * connections to a host (HTTP/1.1): all its windows share one stream, and windows in the background want none.
 */
export function startLive(userId: string): () => void {
  const address = client.url(eventStream, {});
  const wish = sharedStream();
  let pause: ReturnType<typeof setTimeout> | undefined;
  const want = (isWanted: boolean): void => wish({ isWanted, address, userId });
  const follow = (): void => {
    clearTimeout(pause);
    if (document.visibilityState === 'hidden') pause = setTimeout(() => want(false), PAUSE_AFTER_MS);
    else want(true);
  };
  const leave = (): void => want(false);
  const beat = setInterval(() => document.visibilityState === 'visible' && want(true), LIVE_BEAT.everyMs);
  follow();
  document.addEventListener('visibilitychange', follow);
  window.addEventListener('pagehide', leave);
  window.addEventListener('pageshow', follow);
  return () => {
    document.removeEventListener('visibilitychange', follow);
    window.removeEventListener('pagehide', leave);
    window.removeEventListener('pageshow', follow);
    clearTimeout(pause);
    clearInterval(beat);
    leave();
  };
}

let wishes: ((wish: LiveWish) => void) | undefined;

/** The worker that all windows share; a stream of this page's own where the browser has no such workers. */
function sharedStream(): (wish: LiveWish) => void {
  wishes ??= typeof SharedWorker === 'undefined' ? ownStream() : workerStream();
  return wishes;
}

function workerStream(): (wish: LiveWish) => void {
  const worker = new SharedWorker(new URL('./live-worker.ts', import.meta.url), { type: 'module' });
  let fallback: ((wish: LiveWish) => void) | undefined;
  let last: LiveWish | undefined;
  worker.port.onmessage = ({ data }: MessageEvent<LiveNews>) => hear(data);
  // Its script could not be had: this page goes on by itself.
  worker.onerror = () => {
    fallback = ownStream();
    if (last !== undefined) fallback(last);
  };
  return (wish) => {
    last = wish;
    if (fallback === undefined) worker.port.postMessage(wish);
    else fallback(wish);
  };
}

function ownStream(): (wish: LiveWish) => void {
  const stream = new LiveStream(hear);
  let userId: string | undefined;
  return (wish) => {
    if (wish.isWanted && wish.userId !== userId) stream.forget();
    if (wish.isWanted) {
      userId = wish.userId;
      stream.open(wish.address);
    } else stream.close();
  };
}

function hear(news: LiveNews): void {
  if (news.kind === 'event') handle(news.data);
  else if (news.kind === 'reset') void queryClient.invalidateQueries();
  else for (const listener of returns) listener();
}

function handle(data: string): void {
  const parsed = ApiEvent.safeParse(parseJson(data));
  if (!parsed.success) return;
  refresh(parsed.data);
  for (const listener of listeners) listener(parsed.data);
}

function parseJson(text: string): unknown {
  try {
    return readShown(text);
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
  ['task', ['task.', 'upload.', 'restore-point.', 'backup.', 'backup-job.']],
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
