/** The desktop of a session page. What the list already knew is there at once, so that the name does not jump in. */
import { useQuery } from '@tanstack/react-query';
import { type Desktop, getDesktop, listDesktops } from '../../../api/desktop.ts';
import { ApiError } from '../../../api/errors.ts';
import { apiQuery, type ListPage } from '../api/query.ts';
import { queryClient } from '../api/query-client.ts';

export interface UsedDesktop {
  readonly desktop: Desktop | undefined;
  /** It was there, and is no more, or not for this person. */
  readonly isGone: boolean;
}

export function useDesktop(desktopId: string): UsedDesktop {
  const query = useQuery({
    ...apiQuery(getDesktop, { params: { desktopId } }),
    placeholderData: () => fromLists(desktopId),
  });
  const isNotFound = query.error instanceof ApiError && query.error.code === 'NOT_FOUND';
  return { desktop: query.data, isGone: query.data !== undefined && isNotFound };
}

function fromLists(desktopId: string): Desktop | undefined {
  const lists = queryClient.getQueriesData<{ readonly pages?: readonly ListPage<Desktop>[] }>({
    queryKey: [listDesktops.id],
  });
  const desktops = lists.flatMap(([, data]) => data?.pages?.flatMap((page) => page.items) ?? []);
  return desktops.find((desktop) => desktop.id === desktopId);
}
