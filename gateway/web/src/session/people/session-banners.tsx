/** Over the screen: messages of an operator, the warning before the end, and who asks to join. */
import { Alert, AlertActionCloseButton, AlertActionLink } from '@patternfly/react-core';
import { useEffect, useRef, useState } from 'react';
import { answerJoin, type Join } from '../../../../api/session.ts';
import { client } from '../../api/client.ts';
import { serverNow } from '../../api/server-clock.ts';
import { useMe } from '../../api/use-me.ts';
import { useNotices } from '../../shell/frame/notices.tsx';
import { text } from '../../text/text.ts';
import type { Arrival } from './session-news.ts';
import type { UsedSessionEvents } from './use-session-events.ts';

const words = text.session.banners;

interface SessionBannersProps {
  readonly news: UsedSessionEvents;
  readonly sessionId: string | undefined;
  readonly onStay: () => void;
}

export function SessionBanners({ news, sessionId, onStay }: SessionBannersProps) {
  const { me } = useMe();
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
          title={from === me?.name ? words.yourMessage : words.messageFrom(from)}
          actionClose={<AlertActionCloseButton title={words.close} onClose={() => dropMessage(at)} />}
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
      title={isWatching ? words.isWatching(userName) : wasHere ? words.isHereToo(userName) : words.hasJoined(userName)}
      actionClose={<AlertActionCloseButton title={words.close} onClose={onClose} />}
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
      title={words.endsIn(seconds)}
      {...(why === 'idle' ? { actionLinks: <AlertActionLink onClick={onStay}>{words.stay}</AlertActionLink> } : {})}
    >
      {why === 'idle' ? words.idle : words.tooLong}
    </Alert>
  );
}

function useSecondsUntil(endsAt: string): number {
  const left = () => Math.max(0, Math.round((Date.parse(endsAt) - serverNow()) / 1000));
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
      notices.failed(words.answerFailed, error);
    }
  };
  return (
    <Alert
      component="p"
      variant="info"
      title={join.mode === 'view' ? words.asksToWatch(join.userName) : words.asksToWork(join.userName)}
      actionLinks={
        <>
          <AlertActionLink onClick={() => void answer(true, join.mode)}>{words.allow}</AlertActionLink>
          {join.mode === 'control' && (
            <AlertActionLink onClick={() => void answer(true, 'view')}>{words.onlyWatching}</AlertActionLink>
          )}
          <AlertActionLink onClick={() => void answer(false, join.mode)}>{words.refuse}</AlertActionLink>
        </>
      }
    />
  );
}
