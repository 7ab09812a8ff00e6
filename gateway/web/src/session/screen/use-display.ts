/** A Display for as long as the component is there. */
import { type RefObject, useEffect, useState, useSyncExternalStore } from 'react';
import { type SessionTarget, ticketSource } from '../link/tickets.ts';
import { Display, type DisplaySettings, type DisplaySnapshot } from './display.ts';

const NOTHING: DisplaySnapshot = {
  link: { kind: 'opening' },
  sessionId: undefined,
  isAsking: false,
  mode: 'control',
  remoteClipboard: undefined,
  framesPerSecond: 0,
  bytesPerSecond: 0,
  roundTripMs: undefined,
  picture: { quality: 6, compression: 4 },
  isClipped: false,
  hasKeptSize: false,
  hasScancodes: false,
  typing: undefined,
  missingKey: undefined,
};

export interface UsedDisplay extends DisplaySnapshot {
  readonly display: Display | undefined;
}

export function useDisplay(
  target: SessionTarget,
  screen: RefObject<HTMLElement | null>,
  ghost: RefObject<HTMLElement | null>,
  settings: DisplaySettings,
): UsedDisplay {
  const [display, setDisplay] = useState<Display>();
  const key = JSON.stringify(target);
  useEffect(() => {
    if (screen.current === null || ghost.current === null) return undefined;
    const made = new Display(screen.current, ghost.current, ticketSource(JSON.parse(key) as SessionTarget));
    setDisplay(made);
    made.start();
    return () => {
      made.stop();
      setDisplay(undefined);
    };
  }, [key, screen, ghost]);
  useEffect(() => display?.apply(settings), [display, settings]);
  const snapshot = useSyncExternalStore(display?.subscribe ?? neverChanges, display?.snapshot ?? nothing);
  return { ...snapshot, display };
}

const neverChanges = () => () => undefined;
const nothing = () => NOTHING;
