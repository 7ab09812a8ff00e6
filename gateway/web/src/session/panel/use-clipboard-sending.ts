/** Gives a text to the desktop's clipboard, or says that it is too large for what the gateway lets through. */
import { useCallback } from 'react';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import { clipboardBytes } from '../screen/clipboard.ts';
import type { Display } from '../screen/display.ts';

const words = text.session.clipboard;

/** Gives whether it was sent. `maxBytes` is the session's; unknown for the first moment, the gateway decides then. */
export function useClipboardSending(
  display: Display | undefined,
  maxBytes: number | undefined,
): (typed: string) => boolean {
  const notices = useNotices();
  return useCallback(
    (typed) => {
      const bytes = clipboardBytes(typed);
      if (maxBytes !== undefined && maxBytes < bytes) {
        notices.tell(words.tooLarge(words.kib(bytes), words.kib(maxBytes)), words.tooLargeWhy);
        return false;
      }
      display?.paste(typed);
      return display !== undefined;
    },
    [display, maxBytes, notices],
  );
}
