/** Keeps this device's clipboard and the desktop's alike by themselves, as far as browser and policy let it. */
import { useEffect, useRef } from 'react';
import { type ClipboardWays, readQuietly, writeQuietly } from './clipboard.ts';
import type { UsedDisplay } from './use-display.ts';

export function useClipboardSync(
  { remoteClipboard }: UsedDisplay,
  { canSend, canReceive }: ClipboardWays,
  isOn: boolean,
  /** Gives it to the desktop, or says that it is too large. */
  onSend: (text: string) => unknown,
): void {
  const give = useRef(onSend);
  give.current = onSend;
  // What went over last, either way: what came from the desktop is not sent back to it.
  const last = useRef<string>(undefined);

  useEffect(() => {
    if (!isOn || !canReceive || remoteClipboard === undefined || remoteClipboard.text === last.current) return;
    last.current = remoteClipboard.text;
    void writeQuietly(remoteClipboard.text);
  }, [isOn, canReceive, remoteClipboard]);

  useEffect(() => {
    if (!isOn || !canSend) return undefined;
    const send = () => {
      void readQuietly().then((text) => {
        if (text === undefined || text === '' || text === last.current) return;
        last.current = text;
        give.current(text);
      });
    };
    window.addEventListener('focus', send);
    return () => window.removeEventListener('focus', send);
  }, [isOn, canSend]);
}
