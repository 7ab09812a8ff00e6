/** The desktop of a session page. What the list already knew is there at once, so that the name does not jump in. */
import { useQuery } from '@tanstack/react-query';
import { type Desktop, getDesktop, listDesktops } from '../../../api/desktop.ts';
import { apiQuery, type ListPage } from '../api/query.ts';
import { queryClient } from '../api/query-client.ts';

export function useDesktop(desktopId: string): Desktop | undefined {
  const query = useQuery({
    ...apiQuery(getDesktop, { params: { desktopId } }),
    placeholderData: () => fromLists(desktopId),
  });
  return query.data;
}

function fromLists(desktopId: string): Desktop | undefined {
  const lists = queryClient.getQueriesData<{ readonly pages?: readonly ListPage<Desktop>[] }>({
    queryKey: [listDesktops.id],
  });
  const desktops = lists.flatMap(([, data]) => data?.pages?.flatMap((page) => page.items) ?? []);
  return desktops.find((desktop) => desktop.id === desktopId);
}
