/** After an update of Oriel: says so, and loads the page anew when nobody is in the middle of something. */
import { useEffect, useRef, useState } from 'react';
import { useLocation } from 'react-router';
import { onUpdate, watchForUpdate } from '../../api/update.ts';
import { text } from '../../text/text.ts';
import { useNotices } from './notices.tsx';

const words = text.shell.frame.update;

/** A live session is not cut for it: there the person chooses the moment, or leaves. */
const isSession = (pathname: string): boolean => /^\/(desktops|sessions)\/./.test(pathname);

export function UpdateWatch() {
  const { pathname } = useLocation();
  const notices = useNotices();
  const [isUpdated, setUpdated] = useState(false);
  const from = useRef(pathname);
  useEffect(() => watchForUpdate(), []);
  useEffect(() => onUpdate(() => setUpdated(true)), []);
  useEffect(() => {
    if (!isUpdated) return undefined;
    from.current = window.location.pathname;
    notices.tell(words.title, isSession(from.current) ? words.session : words.soon);
    const reload = () => {
      if (document.visibilityState === 'hidden' && !isSession(window.location.pathname)) window.location.reload();
    };
    document.addEventListener('visibilitychange', reload);
    return () => document.removeEventListener('visibilitychange', reload);
  }, [isUpdated, notices]);
  // Another page was gone to: it comes from the new version.
  useEffect(() => {
    if (isUpdated && pathname !== from.current) window.location.reload();
  }, [isUpdated, pathname]);
  return null;
}
