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

interface Refusal {
  readonly direction: 'in' | 'out';
  readonly why: 'too-large' | 'policy';
  readonly maxBytes: number;
}

/** What the gateway did not let through, and what that means. Pure. */
export function refusalText({ direction, why, maxBytes }: Refusal): readonly [title: string, detail: string] {
  if (why === 'policy') return [words.refusedPolicy, words.tooLargeWhy];
  const title = direction === 'in' ? words.refusedIn(words.kib(maxBytes)) : words.refusedOut(words.kib(maxBytes));
  return [title, words.refusedWhy];
}
