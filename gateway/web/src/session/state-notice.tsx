/** Over the screen while the machine does not run: what is so, why, and what the person may do about it. */
import { Button, Spinner } from '@patternfly/react-core';
import { useState } from 'react';
import { Link as RouterLink } from 'react-router';
import type { Desktop } from '../../../api/desktop.ts';
import { sentence } from '../api/client.ts';
import { type PowerId, runPower } from '../api/power.ts';
import { useNotices } from '../shell/frame/notices.tsx';
import { text } from '../text/text.ts';

const words = text.session.states;

type State = Desktop['state'];

/** Every state but `running`: what the page says of it, and which verb may mend it. */
const STATES: Readonly<Record<Exclude<State, 'running'>, { readonly verb?: PowerId; readonly isOnItsWay?: boolean }>> =
  {
    stopped: { verb: 'start' },
    saved: { verb: 'start' },
    failed: { verb: 'start' },
    paused: { verb: 'resume' },
    blocked: { verb: 'resume' },
    starting: { isOnItsWay: true },
    stopping: { isOnItsWay: true },
    saving: { isOnItsWay: true },
    deleting: { isOnItsWay: true },
    unknown: {},
  };

/** The screen does not answer although its connection may be there: keys would vanish. */
const STANDS_STILL: readonly State[] = ['paused', 'blocked', 'saving'];
/** There is no screen to connect to, and none comes by trying. `unknown`: nobody knows, so it is tried. */
const HAS_NO_SCREEN: readonly State[] = ['stopped', 'saved', 'failed', 'starting', 'stopping', 'saving', 'deleting'];

export function hasNoScreen(desktop: Desktop | undefined): boolean {
  return desktop !== undefined && HAS_NO_SCREEN.includes(desktop.state);
}

/** Whether the notice is what there is to say, with the connection there or not. */
export function hasStateNotice(desktop: Desktop | undefined, isConnected: boolean): desktop is Desktop {
  if (desktop === undefined || desktop.state === 'running') return false;
  return !isConnected || STANDS_STILL.includes(desktop.state);
}

export function StateNotice({ desktop }: { readonly desktop: Desktop }) {
  const [isBusy, setBusy] = useState(false);
  const notices = useNotices();
  const { name, state, reason, rights } = desktop;
  if (state === 'running') return null;
  const { verb, isOnItsWay = false } = STATES[state];
  const run = async (wanted: PowerId) => {
    setBusy(true);
    try {
      await runPower(desktop.id, wanted);
    } catch (error) {
      notices.failed(words.failedTo[state === 'blocked' || state === 'paused' ? 'resume' : 'start'], error);
    } finally {
      setBusy(false);
    }
  };
  return (
    <div className="oriel-notice">
      {isOnItsWay && <Spinner size="lg" aria-label={words.is[state](name)} />}
      <p className={isOnItsWay ? '' : 'oriel-notice__why'} role="alert">
        {words.is[state](name)}
      </p>
      {reason !== null && <p>{sentence(reason)}</p>}
      {!isOnItsWay && (
        <p>{verb !== undefined && rights.includes('power') ? words.yours[state] : words.others[state]}</p>
      )}
      {!isOnItsWay && (
        <div className="oriel-notice__actions">
          {verb !== undefined && rights.includes('power') && (
            <Button isLoading={isBusy} isDisabled={isBusy} onClick={() => void run(verb)}>
              {words.verbs[state]}
            </Button>
          )}
          <RouterLink to="/desktops" className="pf-v6-c-button pf-m-secondary">
            {text.session.bar.allDesktops}
          </RouterLink>
        </div>
      )}
    </div>
  );
}
