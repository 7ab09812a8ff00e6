/** `/desktops/:desktopId`: a session of one's own. */
import { useMemo } from 'react';
import { useParams, useSearchParams } from 'react-router';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { text } from '../text/text.ts';
import type { SessionTarget } from './link/tickets.ts';
import { SessionView } from './session-view.tsx';
import { useDesktop } from './use-desktop.ts';

export function SessionPage() {
  const { desktopId = '' } = useParams();
  const [search] = useSearchParams();
  const { desktop, isGone } = useDesktop(desktopId);
  usePageTitle(desktop?.name ?? text.session.page.desktop);
  const wantsView = search.get('mode') === 'view';
  // The ticket is asked for at once; what the desktop is called may come later. Who may only look is told by the list.
  const isViewOnly = wantsView || (desktop !== undefined && !desktop.rights.includes('open'));
  const target = useMemo<SessionTarget>(
    () => ({ kind: 'desktop', desktopId, view: 'display', mode: isViewOnly ? 'view' : 'control' }),
    [desktopId, isViewOnly],
  );
  return <SessionView target={target} desktop={desktop} desktopId={desktopId} isGone={isGone} />;
}
