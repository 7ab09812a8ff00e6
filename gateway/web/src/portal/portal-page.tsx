/** What the signed-in person may open, as cards with live pictures. */
import {
  Alert,
  AlertActionLink,
  Button,
  EmptyState,
  EmptyStateBody,
  Gallery,
  PageSection,
  SearchInput,
  Title,
} from '@patternfly/react-core';
import { DesktopIcon } from '@patternfly/react-icons/dist/esm/icons/desktop-icon';
import { keepPreviousData, useInfiniteQuery } from '@tanstack/react-query';
import { useEffect, useState } from 'react';
import { Link, useNavigate } from 'react-router';
import type { Me } from '../../../api/auth.ts';
import { type Desktop, listDesktops } from '../../../api/desktop.ts';
import { apiPages } from '../api/query.ts';
import { holds } from '../api/use-me.ts';
import { Failure } from '../shell/frame/failure.tsx';
import { usePageTitle } from '../shell/frame/page-title.ts';
import { CardSkeletons } from './card-skeletons.tsx';
import { DesktopCard } from './desktop-card.tsx';
import './portal.css';
import { text } from '../text/text.ts';

const words = text.portal.portalPage;

/** From so many desktops on there is a field to search them. */
const SEARCH_FROM = 6;
/** From so many on the cards are smaller. */
const MANY = 12;

export function PortalPage({ me }: { readonly me: Me }) {
  usePageTitle(words.desktops);
  const list = useInfiniteQuery(apiPages(listDesktops, { query: { limit: 100 } }));
  const [search, setSearch] = useState('');
  useSessionCode(list.isSuccess);
  const desktops = list.data?.pages.flatMap((page) => page.items) ?? [];
  // Asked of the gateway: the desktop may be on a page that is not here yet.
  const wanted = search.trim();
  const found = useInfiniteQuery({
    ...apiPages(listDesktops, { query: { limit: 100, search: wanted } }),
    enabled: wanted !== '',
    placeholderData: keepPreviousData,
  });
  const listed = wanted === '' ? list : found;
  const shown = listed.data?.pages.flatMap((page) => page.items) ?? [];

  return (
    <PageSection hasBodyWrapper={false} isWidthLimited={false} aria-labelledby="portal-title">
      <div className="oriel-portal__head">
        <Title headingLevel="h1" size="2xl" id="portal-title">
          {words.desktops}
        </Title>
        {SEARCH_FROM <= desktops.length && (
          <SearchInput
            className="oriel-portal__search"
            aria-label={words.searchDesktops}
            placeholder={words.search}
            value={search}
            onChange={(_, value) => setSearch(value)}
            onClear={() => setSearch('')}
          />
        )}
      </div>
      {list.isError && desktops.length === 0 ? (
        <Failure title={words.desktopsCouldNotBeListed} error={list.error} onRetry={() => void list.refetch()} />
      ) : (
        <Gallery
          hasGutter
          component="ul"
          className={`oriel-portal__cards ${MANY <= desktops.length ? 'oriel-portal__cards--many' : ''}`}
          aria-busy={list.isPending}
        >
          {list.isPending && <CardSkeletons count={Math.max(1, Math.min(6, me.desktops.length || 3))} />}
          {shown.map((desktop) => (
            <DesktopCard key={desktop.id} desktop={desktop} />
          ))}
        </Gallery>
      )}
      {list.isSuccess && desktops.length === 0 && <NoDesktops canMake={holds(me, 'manage')} />}
      {listed.isSuccess && 0 < desktops.length && shown.length === 0 && (
        <p className="oriel-portal__none">{words.noDesktopCalled(search)}</p>
      )}
      {listed.hasNextPage && (
        <Button variant="secondary" isLoading={listed.isFetchingNextPage} onClick={() => void listed.fetchNextPage()}>
          {words.more}
        </Button>
      )}
      {desktops.length === 1 && desktops[0] !== undefined && !holds(me, 'manage') && (
        <QuickOpen desktop={desktops[0]} />
      )}
    </PageSection>
  );
}

/** The code of the session page comes while the person looks for the desktop: the click then only opens it. */
function useSessionCode(isWanted: boolean): void {
  useEffect(() => {
    if (isWanted) import('../session/session-page.tsx').catch(() => undefined); // The click tries again.
  }, [isWanted]);
}

/** Whoever has one desktop wants that one. It is offered, not forced: nobody is sent where they did not click. */
function QuickOpen({ desktop }: { readonly desktop: Desktop }) {
  const navigate = useNavigate();
  if (desktop.views.length === 0) return null;
  return (
    <Alert
      component="h2"
      isInline
      variant="info"
      className="oriel-portal__quick"
      title={words.oneDesktopHave(desktop.name)}
      actionLinks={
        <AlertActionLink autoFocus onClick={() => void navigate(`/desktops/${encodeURIComponent(desktop.id)}`)}>
          {words.openNow}
        </AlertActionLink>
      }
    >
      {words.keepItsAddressAsBookmark}
    </Alert>
  );
}

function NoDesktops({ canMake }: { readonly canMake: boolean }) {
  return (
    <EmptyState titleText={words.noDesktopsYet} headingLevel="h2" icon={DesktopIcon}>
      <EmptyStateBody>
        {canMake ? (
          <>
            {words.makeFirstOneUnder} <Link to="/console/vms">{words.virtualMachines}</Link>.
          </>
        ) : (
          words.nothingAssignedSoFarAsk
        )}
      </EmptyStateBody>
    </EmptyState>
  );
}
