/** Runs a verb of the API, says what came of it, and fetches again what it changed. */
import { useCallback } from 'react';
import { queryClient } from '../../api/query-client.ts';
import { useNotices } from '../frame/notices.tsx';

/** `stale`: prefixes of route ids, such as `vm.`. */
export function useAction(
  ...stale: readonly string[]
): (title: string, verb: () => Promise<unknown>) => Promise<boolean> {
  const notices = useNotices();
  const prefixes = stale.join(' ');
  return useCallback(
    async (title, verb) => {
      try {
        await verb();
        notices.done(title);
        return true;
      } catch (error) {
        notices.failed(`${title}: refused`, error);
        return false;
      } finally {
        void refetch(prefixes.split(' '));
      }
    },
    [notices, prefixes],
  );
}

export function refetch(prefixes: readonly string[]): Promise<void> {
  return queryClient.invalidateQueries({
    predicate: ({ queryKey }) => prefixes.some((prefix) => String(queryKey[0]).startsWith(prefix)),
  });
}
