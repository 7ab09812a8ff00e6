/**
 * Fetches a thumbnail again and again, politely: only while it is on screen and the page is visible, with If-None-Match so
 * that an unchanged picture costs no bytes, and never a second request before the first has been answered.
 */
import { type RefObject, useEffect, useState } from 'react';

const THUMBNAIL = { everyMs: 4_000, failedEveryMs: 20_000 } as const;

export function useThumbnail(
  url: string | null,
  isLive: boolean,
  box: RefObject<HTMLElement | null>,
): string | undefined {
  const [picture, setPicture] = useState<string>();
  useEffect(() => {
    const element = box.current;
    if (url === null || element === null) {
      setPicture(undefined);
      return undefined;
    }
    const abort = new AbortController();
    let etag: string | null = null;
    let shown: string | undefined;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOnScreen = false;

    const wait = (ms: number) => {
      clearTimeout(timer);
      timer = setTimeout(() => void load(), ms);
    };
    const load = async (): Promise<void> => {
      if (!isOnScreen || document.visibilityState !== 'visible') return;
      const outcome = await fetchPicture(url, etag, abort.signal);
      if (abort.signal.aborted) return;
      if (outcome.kind === 'new') {
        etag = outcome.etag;
        const next = URL.createObjectURL(outcome.blob);
        setPicture(next);
        if (shown !== undefined) URL.revokeObjectURL(shown);
        shown = next;
      }
      if (outcome.kind === 'failed') wait(THUMBNAIL.failedEveryMs);
      else if (isLive) wait(THUMBNAIL.everyMs);
    };

    const watcher = new IntersectionObserver(([entry]) => {
      isOnScreen = entry?.isIntersecting ?? false;
      if (isOnScreen) wait(0);
    });
    const onVisible = () => wait(0);
    watcher.observe(element);
    document.addEventListener('visibilitychange', onVisible);
    return () => {
      abort.abort();
      clearTimeout(timer);
      watcher.disconnect();
      document.removeEventListener('visibilitychange', onVisible);
      if (shown !== undefined) URL.revokeObjectURL(shown);
    };
  }, [url, isLive, box]);
  return picture;
}

type Outcome =
  | { readonly kind: 'new'; readonly blob: Blob; readonly etag: string | null }
  | { readonly kind: 'same' }
  | { readonly kind: 'failed' };

async function fetchPicture(url: string, etag: string | null, signal: AbortSignal): Promise<Outcome> {
  try {
    const headers: HeadersInit = etag === null ? {} : { 'if-none-match': etag };
    // `no-store`: the browser's own cache would answer for us, and the 304 would not be seen.
    const response = await fetch(url, { headers, signal, cache: 'no-store', credentials: 'same-origin' });
    if (response.status === 304) return { kind: 'same' };
    if (!response.ok) return { kind: 'failed' };
    return { kind: 'new', blob: await response.blob(), etag: response.headers.get('etag') };
  } catch {
    return { kind: 'failed' };
  }
}
