/** TanStack Query options for any described route: the key is the route's id and what it was asked. */
import { infiniteQueryOptions, queryOptions } from '@tanstack/react-query';
import type { z } from 'zod';
import type { CallInput } from '../../../api/client.ts';
import type { Route } from '../../../api/route.ts';
import { client } from './client.ts';

// oxlint-disable-next-line typescript/explicit-function-return-type
export function apiQuery<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: Route<P, Q, B, R>,
  input: CallInput<P, Q, B>,
) {
  return queryOptions({
    queryKey: [route.id, input.params ?? null, input.query ?? null] as const,
    queryFn: ({ signal }): Promise<z.output<R>> => client.call(route, { ...input, signal }),
  });
}

export interface ListPage<T> {
  readonly items: readonly T[];
  readonly next?: string | undefined;
}

/** The same for a list that comes in pages. */
// oxlint-disable-next-line typescript/explicit-function-return-type
export function apiPages<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: Route<P, Q, B, R>,
  input: CallInput<P, Q, B>,
) {
  return infiniteQueryOptions({
    queryKey: [route.id, input.params ?? null, input.query ?? null, 'pages'] as const,
    initialPageParam: undefined as string | undefined,
    queryFn: ({ signal, pageParam }): Promise<z.output<R>> =>
      client.call(route, { ...input, query: { ...(input.query as object), cursor: pageParam }, signal } as CallInput<
        P,
        Q,
        B
      >),
    getNextPageParam: (last) => (last as ListPage<unknown>).next,
  });
}
