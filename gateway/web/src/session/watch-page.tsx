/** `/sessions/:sessionId/watch`: the session of somebody else, seen or steered. */
import { useQuery } from '@tanstack/react-query';
import { useMemo } from 'react';
import { Navigate, useParams, useSearchParams } from 'react-router';
import { getDesktop } from '../../../api/desktop.ts';
import { getSession, listSessions } from '../../../api/session.ts';
import { apiQuery } from '../api/query.ts';
import { holds, useMe } from '../api/use-me.ts';
import { Loading } from '../shell/frame/loading.tsx';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { text } from '../text/text.ts';
import type { SessionTarget } from './link/tickets.ts';
import { SessionView } from './session-view.tsx';

const words = text.session.page;

export function WatchPage() {
  const { sessionId = '' } = useParams();
  const [search] = useSearchParams();
  const mode = search.get('mode') === 'control' ? 'control' : 'view';
  // Somebody who asks to join learns of the session when they are in.
  const { me } = useMe();
  const mayLook = holds(me, 'watch');
  // Nobody asks themselves to be let in.
  const own = useQuery(apiQuery(listSessions, { query: { userId: me?.id, limit: 200 } }));
  const mine = own.data?.items.find(({ id, userId }) => id === sessionId && userId === me?.id);
  const session = useQuery({ ...apiQuery(getSession, { params: { sessionId } }), enabled: mayLook }).data;
  const desktopId = session?.desktopId ?? '';
  const desktop = useQuery({
    ...apiQuery(getDesktop, { params: { desktopId } }),
    enabled: session !== undefined,
  }).data;
  usePageTitle(session === undefined ? words.session : words.sessionOf(session.userName, session.desktopName));
  const target = useMemo<SessionTarget>(() => ({ kind: 'join', sessionId, mode }), [sessionId, mode]);
  if (own.isPending) return <Loading />;
  if (mine !== undefined) return <Navigate to={`/desktops/${encodeURIComponent(mine.desktopId)}`} replace />;
  return <SessionView target={target} desktop={desktop} desktopId={desktopId} />;
}
