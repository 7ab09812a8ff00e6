/** Over the screen: messages of an operator, the warning before the end, and who asks to join. */
import { Alert, AlertActionCloseButton, AlertActionLink } from '@patternfly/react-core';
import { useEffect, useRef, useState } from 'react';
import { answerJoin, type Join } from '../../../../api/session.ts';
import { client } from '../../api/client.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import type { Arrival } from './session-news.ts';
import type { UsedSessionEvents } from './use-session-events.ts';

interface SessionBannersProps {
  readonly news: UsedSessionEvents;
  readonly sessionId: string | undefined;
  readonly onStay: () => void;
}

export function SessionBanners({ news, sessionId, onStay }: SessionBannersProps) {
  const { messages, warning, asked, arrived, dropMessage, dropJoin, dropArrival } = news;
  return (
    <div className="oriel-banners" aria-live="assertive">
      {warning !== undefined && <EndWarning why={warning.why} endsAt={warning.endsAt} onStay={onStay} />}
      {asked.map((join) => (
        <JoinQuestion key={join.id} join={join} sessionId={sessionId} onDone={() => dropJoin(join.id)} />
      ))}
      {arrived.map((arrival) => (
        <ArrivalNotice key={arrival.id} arrival={arrival} onClose={() => dropArrival(arrival.id)} />
      ))}
      {messages.map(({ from, text, at }) => (
        <Alert
          component="p"
          key={at}
          variant="info"
          title={`Message from ${from}`}
          actionClose={<AlertActionCloseButton title="Close" onClose={() => dropMessage(at)} />}
        >
          {text}
        </Alert>
      ))}
    </div>
  );
}

const ARRIVAL_MS = 8_000;

/** Who works here too is said for a moment; who only watches stays said until it is waved away. */
function ArrivalNotice({ arrival, onClose }: { readonly arrival: Arrival; readonly onClose: () => void }) {
  const { userName, mode, wasHere } = arrival;
  const isWatching = mode === 'view';
  const close = useRef(onClose);
  close.current = onClose;
  useEffect(() => {
    if (isWatching) return undefined;
    const timer = setTimeout(() => close.current(), ARRIVAL_MS);
    return () => clearTimeout(timer);
  }, [isWatching]);
  return (
    <Alert
      component="p"
      variant="info"
      title={`${userName} ${isWatching ? 'is watching' : wasHere ? 'is here too' : 'has joined'}`}
      actionClose={<AlertActionCloseButton title="Close" onClose={onClose} />}
    />
  );
}

interface EndWarningProps {
  readonly why: 'idle' | 'too-long';
  readonly endsAt: string;
  readonly onStay: () => void;
}

function EndWarning({ why, endsAt, onStay }: EndWarningProps) {
  const seconds = useSecondsUntil(endsAt);
  return (
    <Alert
      component="p"
      variant="warning"
      title={`This session ends in ${seconds} s`}
      {...(why === 'idle' ? { actionLinks: <AlertActionLink onClick={onStay}>Stay</AlertActionLink> } : {})}
    >
      {why === 'idle'
        ? 'Nothing was typed or moved for a long time.'
        : 'It has reached its time limit. Save your work.'}
    </Alert>
  );
}

function useSecondsUntil(endsAt: string): number {
  const left = () => Math.max(0, Math.round((Date.parse(endsAt) - Date.now()) / 1000));
  const [seconds, setSeconds] = useState(left);
  useEffect(() => {
    const timer = setInterval(() => setSeconds(left()), 1000);
    return () => clearInterval(timer);
    // `left` reads the clock anew each time.
  }, [endsAt]);
  return seconds;
}

interface JoinQuestionProps {
  readonly join: Join;
  readonly sessionId: string | undefined;
  readonly onDone: () => void;
}

function JoinQuestion({ join, sessionId, onDone }: JoinQuestionProps) {
  const notices = useNotices();
  const answer = async (allow: boolean, mode: Join['mode']) => {
    onDone();
    try {
      const params = { sessionId: sessionId ?? join.sessionId, joinId: join.id };
      await client.call(answerJoin, { params, body: { allow, mode } });
    } catch (error) {
      notices.failed('The answer did not get through', error);
    }
  };
  return (
    <Alert
      component="p"
      variant="info"
      title={`${join.userName} asks to ${join.mode === 'view' ? 'watch' : 'work with you'}`}
      actionLinks={
        <>
          <AlertActionLink onClick={() => void answer(true, join.mode)}>Allow</AlertActionLink>
          {join.mode === 'control' && (
            <AlertActionLink onClick={() => void answer(true, 'view')}>Only watching</AlertActionLink>
          )}
          <AlertActionLink onClick={() => void answer(false, join.mode)}>Refuse</AlertActionLink>
        </>
      }
    />
  );
}
