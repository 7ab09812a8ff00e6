/** The terminal measures its letters once, when it opens: the font has to be there by then. */
import { useEffect, useState } from 'react';

const FONT = '14px RedHatMono';

export function useTerminalFont(): boolean {
  const [isReady, setReady] = useState(() => document.fonts.check(FONT));
  useEffect(() => {
    const go = () => setReady(true);
    // A font that cannot be had is no reason to have no terminal.
    document.fonts.load(FONT).then(go, go);
  }, []);
  return isReady;
}
