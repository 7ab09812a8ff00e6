/** Who is signed in, and what they may do. `null`: nobody. */
import { useQuery } from '@tanstack/react-query';
import { getMe, type Me } from '../../../api/auth.ts';
import { ApiError } from '../../../api/errors.ts';
import type { Right } from '../../../api/rights.ts';
import { client, ME_KEY } from './client.ts';

export interface UsedMe {
  readonly me: Me | null | undefined;
  readonly error: unknown;
  readonly retry: () => void;
}

export function useMe(): UsedMe {
  const query = useQuery({ queryKey: ME_KEY, queryFn: ({ signal }) => fetchMe(signal), staleTime: 60_000 });
  return { me: query.data, error: query.error, retry: () => void query.refetch() };
}

async function fetchMe(signal: AbortSignal): Promise<Me | null> {
  try {
    return await client.call(getMe, { signal });
  } catch (error) {
    if (error instanceof ApiError && error.problem.status === 401) return null;
    throw error;
  }
}

/** Whether the person holds the right everywhere (by role). The server decides; a page only hides what it would refuse. */
export function holds(me: Me | null | undefined, right: Right): boolean {
  return me?.rights.includes(right) ?? false;
}
