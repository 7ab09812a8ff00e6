/**
 * Full screen of the whole page (menus and dialogs included). Where the browser can, the keys that the local system
 * would keep (Alt-Tab, Super, Escape) go to the desktop meanwhile: Keyboard Lock, which works only in full screen.
 */
import { useCallback, useEffect, useState } from 'react';

interface KeyboardLock {
  readonly lock?: () => Promise<void>;
  readonly unlock?: () => void;
}

/** `isThere`: iPhones have none for pages. */
export function useFullScreen(): { readonly isThere: boolean; readonly isFull: boolean; readonly toggle: () => void } {
  const [isFull, setFull] = useState(() => document.fullscreenElement !== null);
  useEffect(() => {
    const follow = () => setFull(document.fullscreenElement !== null);
    document.addEventListener('fullscreenchange', follow);
    return () => document.removeEventListener('fullscreenchange', follow);
  }, []);
  const toggle = useCallback(() => {
    const { keyboard } = navigator as Navigator & { keyboard?: KeyboardLock };
    if (document.fullscreenElement !== null) {
      keyboard?.unlock?.();
      void document.exitFullscreen();
      return;
    }
    document.documentElement
      .requestFullscreen({ navigationUI: 'hide' })
      .then(() => keyboard?.lock?.())
      .catch(() => undefined); // Refused by the browser: the page stays as it is.
  }, []);
  return { isThere: document.fullscreenEnabled, isFull, toggle };
}
