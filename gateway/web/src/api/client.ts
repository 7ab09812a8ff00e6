/** The one API client of the page. The session cookie goes along by itself; a 401 anywhere sends the page to sign-in. */
import { ApiError, createClient, type Fetch } from '../../../shared/client.ts';
import { queryClient } from './query-client.ts';

export const ME_KEY = ['me'] as const;

export const client = createClient('', {
  fetch: ((url, init) => window.fetch(url, init as RequestInit)) satisfies Fetch,
  onSignedOut: () => {
    // The shell watches this query: no user means the sign-in page, which keeps the address to come back to.
    queryClient.setQueryData(ME_KEY, null);
  },
});

/** What to tell a person about a failure. Server text is only ever rendered as text. */
export function describeError(error: unknown): string {
  if (error instanceof ApiError) return sentence(error.message);
  if (error instanceof TypeError) return 'The gateway does not answer. Check the network.';
  return error instanceof Error ? sentence(error.message) : 'Something went wrong.';
}

/** Our error messages start lower-case and end without a full stop, so that they chain; a page shows a sentence. */
export function sentence(message: string): string {
  const text = message.charAt(0).toUpperCase() + message.slice(1);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
