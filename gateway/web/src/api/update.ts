/**
 * Whether the gateway serves other pages by now than this one: it was updated. A page that is open goes on, but parts that it
 * has not loaded yet are gone; so it loads itself anew at a good moment, which never is in the middle of a session.
 */
import { onLiveBack } from './live.ts';

const listeners = new Set<() => void>();
let isFound = false;

/** Calls `listener` once, when another version is found. */
export function onUpdate(listener: () => void): () => void {
  listeners.add(listener);
  if (isFound) listener();
  return () => listeners.delete(listener);
}

/** Looks now. The gateway may be away: then nobody knows, and the page stays as it is. */
export async function lookForUpdate(): Promise<boolean> {
  if (isFound) return true;
  try {
    const answer = await fetch('/', { cache: 'no-store' });
    isFound = answer.ok && isOther(ownScript(), await answer.text());
  } catch {
    return false;
  }
  if (isFound) for (const listener of listeners) listener();
  return isFound;
}

/** The stream of events was lost and is back: the gateway may be another. */
export function watchForUpdate(): () => void {
  return onLiveBack(() => void lookForUpdate());
}

function ownScript(): string {
  return document.querySelector('script[type=module][src]')?.getAttribute('src') ?? '';
}

/** The first page names the script of its version, and this one runs another. Pure. */
export function isOther(ownScript: string, firstPage: string): boolean {
  return ownScript !== '' && firstPage.includes('type="module"') && !firstPage.includes(`"${ownScript}"`);
}

/** A part of the page that could not be loaded, as Chromium, Firefox and Safari say it. Pure. */
export function isMissingPart(error: unknown): boolean {
  return (
    error instanceof TypeError &&
    /dynamically imported module|module script failed|Unable to preload CSS/i.test(error.message)
  );
}
