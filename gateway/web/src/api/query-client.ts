/** The cache of what the API said. Live events (live.ts) keep it fresh, so nothing polls by default. */
import { QueryClient } from '@tanstack/react-query';

export const queryClient = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: 15_000,
      retry: (failures, error) => failures < 2 && isPassing(error),
      refetchOnWindowFocus: true,
    },
  },
});

/** A refusal stays a refusal; an unreachable or overloaded gateway may be back in a moment. */
function isPassing(error: unknown): boolean {
  if (typeof error !== 'object' || error === null || !('problem' in error)) return true;
  const { problem } = error as { problem: { status: number } };
  return 500 <= problem.status;
}
