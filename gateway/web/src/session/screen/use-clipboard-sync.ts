/** Keeps this device's clipboard and the desktop's alike by themselves, as far as browser and policy let it. */
import { useEffect, useRef } from 'react';
import { type ClipboardWays, readQuietly, writeQuietly } from './clipboard.ts';
import type { UsedDisplay } from './use-display.ts';

export function useClipboardSync(
  { display, remoteClipboard }: UsedDisplay,
  { canSend, canReceive }: ClipboardWays,
  isOn: boolean,
): void {
  // What went over last, either way: what came from the desktop is not sent back to it.
  const last = useRef<string>(undefined);

  useEffect(() => {
    if (!isOn || !canReceive || remoteClipboard === undefined || remoteClipboard.text === last.current) return;
    last.current = remoteClipboard.text;
    void writeQuietly(remoteClipboard.text);
  }, [isOn, canReceive, remoteClipboard]);

  useEffect(() => {
    if (!isOn || !canSend || display === undefined) return undefined;
    const send = () => {
      void readQuietly().then((text) => {
        if (text === undefined || text === '' || text === last.current) return;
        last.current = text;
        display.paste(text);
      });
    };
    window.addEventListener('focus', send);
    return () => window.removeEventListener('focus', send);
  }, [isOn, canSend, display]);
}
