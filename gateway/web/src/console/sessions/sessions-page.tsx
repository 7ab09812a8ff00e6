/** Everybody's sessions, with their pictures: watch, join, tell, end. */
import { Button, Card, CardBody, EmptyState, EmptyStateBody, Gallery, Label } from '@patternfly/react-core';
import { useInfiniteQuery } from '@tanstack/react-query';
import { useState } from 'react';
import type { Me } from '../../../../api/auth.ts';
import { listSessions, type Session } from '../../../../api/session.ts';
import { apiPages } from '../../api/query.ts';
import { serverNow } from '../../api/server-clock.ts';
import { Thumbnail } from '../../shell/card/thumbnail.tsx';
import { formatAgo, formatBytes } from '../../shell/format.ts';
import { Failure } from '../../shell/frame/failure.tsx';
import { Loading } from '../../shell/frame/loading.tsx';
import { ListPage } from '../../shell/list/list-page.tsx';
import { text } from '../../text/text.ts';
import { GatewayPolicyDialog } from '../policies/policy-dialog.tsx';
import { SessionActions } from './session-actions.tsx';

const words = text.console.sessions.sessionsPage;

export function SessionsPage({ me }: { readonly me: Me }) {
  const query = useInfiniteQuery({ ...apiPages(listSessions, { query: { limit: 100 } }), refetchInterval: 15_000 });
  const sessions = query.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <ListPage title={words.sessions} actions={me.rights.includes('settings') && <PolicyButton />}>
      {query.isPending && <Loading />}
      {query.isError && sessions.length === 0 && (
        <Failure title={words.sessionsCouldNotBeListed} error={query.error} onRetry={() => void query.refetch()} />
      )}
      {query.isSuccess && sessions.length === 0 && (
        <EmptyState titleText={words.nobodyConnected} headingLevel="h2">
          <EmptyStateBody>{words.sessionsAppearHereAsPeople}</EmptyStateBody>
        </EmptyState>
      )}
      <Gallery hasGutter component="ul" className="oriel-portal__cards">
        {sessions.map((session) => (
          <SessionCard key={session.id} session={session} me={me} />
        ))}
      </Gallery>
    </ListPage>
  );
}

function PolicyButton() {
  const [isOpen, setOpen] = useState(false);
  return (
    <>
      <Button variant="secondary" onClick={() => setOpen(true)}>
        {text.console.policies.policyDialog.openOfEverybody}
      </Button>
      {isOpen && <GatewayPolicyDialog onClose={() => setOpen(false)} />}
    </>
  );
}

const STATES = {
  waiting: { word: words.opening, color: 'blue' },
  connecting: { word: words.connecting, color: 'blue' },
  live: { word: words.live, color: 'green' },
  parked: { word: words.away, color: 'orange' },
  ended: { word: words.ended, color: 'grey' },
} as const;

function SessionCard({ session, me }: { readonly session: Session; readonly me: Me }) {
  const { word, color } = STATES[session.state];
  const picture = `/api/v1/desktops/${encodeURIComponent(session.desktopId)}/thumbnail`;
  return (
    <li>
      <Card className="oriel-card" isFullHeight>
        <Thumbnail
          of={session.desktopName}
          url={session.kind === 'display' ? picture : null}
          isLive={session.state === 'live'}
        />
        <CardBody className="oriel-card__body">
          <div className="oriel-card__line">
            <span className="oriel-card__name">{session.userName}</span>
            <Label isCompact color={color}>
              {session.keptUntil === null ? word : words.keptUntil(formatAgo(session.keptUntil, serverNow()))}
            </Label>
          </div>
          <p className="oriel-card__text">
            {session.desktopName}, {session.kind === 'serial' ? words.serialConsole : 'screen'}
            {session.mode === 'view' ? ', watching' : ''}
          </p>
          <p className="oriel-card__text">
            {session.address ?? words.addressNotKnown} · {formatAgo(session.createdAt, serverNow())} ·{' '}
            {formatBytes(session.bytesOut)}
          </p>
          <SessionActions session={session} isMine={session.userId === me.id} />
        </CardBody>
      </Card>
    </li>
  );
}
