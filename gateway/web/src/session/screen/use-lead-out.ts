/** Follows the keys on the screen, and moves the focus to the bar when they lead out. */
import { type FocusEventHandler, type KeyboardEventHandler, useMemo } from 'react';
import { LeadOut } from './lead-out.ts';

interface LeadOutHandlers {
  readonly onKeyDownCapture: KeyboardEventHandler;
  readonly onKeyUpCapture: KeyboardEventHandler;
  readonly onBlurCapture: FocusEventHandler;
}

export function useLeadOut(): LeadOutHandlers {
  return useMemo(() => {
    const lead = new LeadOut();
    return {
      onKeyDownCapture: ({ nativeEvent }) => lead.pressed(nativeEvent.code),
      onKeyUpCapture: ({ nativeEvent }) => {
        // Once noVNC has seen this key go up; it lets go of the others when the focus leaves.
        if (lead.released(nativeEvent.code)) setTimeout(goOut);
      },
      onBlurCapture: () => lead.forget(),
    };
  }, []);
}

function goOut(): void {
  document.querySelector<HTMLElement>('[data-lead-out]')?.focus();
}
