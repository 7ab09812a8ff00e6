/** Routes. What a plain user needs first (sign-in, desktops) is in the first load; the rest comes when it is opened. */
import { lazy, Suspense, useEffect } from 'react';
import { Navigate, Route, Routes, useLocation } from 'react-router';
import { startLive } from './api/live.ts';
import { useMe } from './api/use-me.ts';
import { PortalPage } from './portal/portal-page.tsx';
import { ErrorBoundary } from './shell/frame/error-boundary.tsx';
import { Failure } from './shell/frame/failure.tsx';
import { Frame } from './shell/frame/frame.tsx';
import { Loading } from './shell/frame/loading.tsx';
import { NotFoundPage } from './shell/frame/not-found-page.tsx';
import { UpdateWatch } from './shell/frame/update-watch.tsx';
import { SignInPage } from './sign-in/sign-in-page.tsx';
import { text } from './text/text.ts';

const words = text.app.app;

const SessionPage = lazy(async () => ({ default: (await import('./session/session-page.tsx')).SessionPage }));
const WatchPage = lazy(async () => ({ default: (await import('./session/watch-page.tsx')).WatchPage }));
const AccountPage = lazy(async () => ({ default: (await import('./account/account-page.tsx')).AccountPage }));
const ConsoleRoutes = lazy(async () => ({ default: (await import('./console/console-routes.tsx')).ConsoleRoutes }));

export function App() {
  const { pathname } = useLocation();
  return (
    <ErrorBoundary resetKey={pathname}>
      <UpdateWatch />
      <Suspense fallback={<Loading />}>
        <Routes>
          <Route path="/sign-in" element={<SignInPage />} />
          <Route path="*" element={<SignedIn />} />
        </Routes>
      </Suspense>
    </ErrorBoundary>
  );
}

function SignedIn() {
  const { me, error, retry } = useMe();
  const location = useLocation();
  const userId = me?.id;
  useEffect(() => (userId === undefined ? undefined : startLive(userId)), [userId]);

  if (error !== null && me === undefined)
    return <Failure title={words.gatewayDoesNotAnswer} error={error} onRetry={retry} />;
  if (me === undefined) return <Loading />;
  if (me === null) {
    const from = `${location.pathname}${location.search}`;
    return <Navigate to={from === '/' ? '/sign-in' : `/sign-in?next=${encodeURIComponent(from)}`} replace />;
  }
  return (
    <Routes>
      <Route path="/" element={<Navigate to="/desktops" replace />} />
      <Route path="/desktops/:desktopId" element={<SessionPage />} />
      <Route path="/sessions/:sessionId/watch" element={<WatchPage />} />
      <Route element={<Frame me={me} />}>
        <Route path="/desktops" element={<PortalPage me={me} />} />
        <Route path="/account/*" element={<AccountPage me={me} />} />
        <Route path="/console/*" element={<ConsoleRoutes me={me} />} />
        <Route path="*" element={<NotFoundPage />} />
      </Route>
    </Routes>
  );
}
