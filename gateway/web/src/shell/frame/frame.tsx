/** Masthead, navigation for those who have a console, and the page. */
import {
  Masthead,
  MastheadBrand,
  MastheadContent,
  MastheadMain,
  MastheadToggle,
  Nav,
  NavGroup,
  NavItem,
  NavList,
  Page,
  PageSidebar,
  PageSidebarBody,
  PageToggleButton,
  SkipToContent,
} from '@patternfly/react-core';
import { BarsIcon } from '@patternfly/react-icons/dist/esm/icons/bars-icon';
import { Suspense } from 'react';
import { Link, NavLink, Outlet, useLocation } from 'react-router';
import type { Me } from '../../../../api/auth.ts';
import { holds } from '../../api/use-me.ts';
import { Brand } from './brand.tsx';
import { ErrorBoundary } from './error-boundary.tsx';
import { GatewayNotices } from './gateway-notices.tsx';
import { Loading } from './loading.tsx';
import { sectionsFor } from './sections.ts';
import { ThemeToggle } from './theme-toggle.tsx';
import { UserMenu } from './user-menu.tsx';
import './frame.css';
import { text } from '../../text/text.ts';

const words = text.shell.frame.frame;
const { common } = text;

const CONTENT_ID = 'content';

export function Frame({ me }: { readonly me: Me }) {
  const { pathname } = useLocation();
  const sections = sectionsFor(me);
  const hasConsole = 0 < sections.length;
  return (
    <Page
      isContentFilled
      mainContainerId={CONTENT_ID}
      isManagedSidebar={hasConsole}
      skipToContent={<SkipToContent href={`#${CONTENT_ID}`}>{words.skipContent}</SkipToContent>}
      masthead={<Top me={me} hasConsole={hasConsole} />}
      sidebar={hasConsole ? <Side paths={sections} current={pathname} /> : undefined}
    >
      {holds(me, 'settings') && <GatewayNotices />}
      <ErrorBoundary resetKey={pathname}>
        <Suspense fallback={<Loading />}>
          <Outlet />
        </Suspense>
      </ErrorBoundary>
    </Page>
  );
}

function Top({ me, hasConsole }: { readonly me: Me; readonly hasConsole: boolean }) {
  return (
    <Masthead className="oriel-masthead" display={{ default: 'inline' }}>
      <MastheadMain>
        {hasConsole && (
          <MastheadToggle>
            <PageToggleButton variant="plain" aria-label={words.navigation} icon={<BarsIcon />} />
          </MastheadToggle>
        )}
        <MastheadBrand>
          <Link to="/desktops" className="oriel-brand" aria-label={words.orielDesktops}>
            <Brand />
            <span className="oriel-brand__name">{common.oriel}</span>
          </Link>
        </MastheadBrand>
      </MastheadMain>
      <MastheadContent>
        <div className="oriel-masthead__tools">
          <ThemeToggle />
          <UserMenu me={me} />
        </div>
      </MastheadContent>
    </Masthead>
  );
}

interface SideProps {
  readonly paths: ReturnType<typeof sectionsFor>;
  readonly current: string;
}

function Side({ paths, current }: SideProps) {
  const item = (path: string, label: string) => (
    <NavItem key={path} itemId={path} isActive={current === path || current.startsWith(`${path}/`)}>
      <NavLink to={path}>{label}</NavLink>
    </NavItem>
  );
  return (
    <PageSidebar>
      <PageSidebarBody>
        <Nav aria-label={words.sections}>
          <NavList>{item('/desktops', words.myDesktops)}</NavList>
          <NavGroup title={words.console}>{paths.map(({ path, label }) => item(path, label))}</NavGroup>
        </Nav>
      </PageSidebarBody>
    </PageSidebar>
  );
}
