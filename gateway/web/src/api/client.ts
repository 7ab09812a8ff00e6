/** The one API client of the page. The session cookie goes along by itself; a 401 anywhere sends the page to sign-in. */
import { createClient, type Fetch } from '../../../api/client.ts';
import { ApiError } from '../../../api/errors.ts';
import { readShown } from '../../../api/text.ts';
import { text } from '../text/text.ts';
import { nameIn, withNames } from './names.ts';
import { queryClient } from './query-client.ts';
import { noteServerDate } from './server-clock.ts';

const words = text.api.client;

export const ME_KEY = ['me'] as const;

export const client = createClient('', {
  fetch: (async (url, init) => {
    const from = performance.now();
    const answer = await window.fetch(url, init as RequestInit);
    noteServerDate(answer.headers.get('date'), performance.now() - from);
    return (await isProofNeeded(answer)) && (await prove()) ? window.fetch(url, init as RequestInit) : answer;
  }) satisfies Fetch,
  // Names are of other people, guests and directories, and some are older than what the API takes today.
  read: readShown,
  onSignedOut: () => {
    // The shell watches this query: no user means the sign-in page, which keeps the address to come back to.
    queryClient.setQueryData(ME_KEY, null);
  },
});

/** Asks the person for a proof, and says whether it was given: a page that can ask puts itself here. */
let prove = async (): Promise<boolean> => false;

/** Gives the function that takes it back. */
export function whenProofIsNeeded(ask: () => Promise<boolean>): () => void {
  prove = ask;
  return () => {
    if (prove === ask) prove = async () => false;
  };
}

/** The gateway wants to know that the person still sits there (PROOF_NEEDED): the same request works once it does. */
async function isProofNeeded(response: Response): Promise<boolean> {
  if (response.status !== 403) return false;
  const problem = (await response
    .clone()
    .json()
    .catch(() => undefined)) as { code?: unknown } | undefined;
  return problem?.code === 'PROOF_NEEDED';
}

/** What to tell a person about a failure. Server text is only ever rendered as text. */
export function describeError(error: unknown): string {
  if (error instanceof ApiError) return describeRefusal(error);
  if (error instanceof TypeError) return words.gatewayDoesNotAnswerCheck;
  return error instanceof Error ? sentence(error.message) : words.somethingWentWrong;
}

/** Which field is wrong says more than that one is. */
function describeRefusal({ message, problem }: ApiError): string {
  // The page came from there, so it is an address of the gateway: one that it was not told.
  if (problem.code === 'WRONG_ORIGIN') return words.unknownAddress(window.location.origin);
  const fields = problem.errors ?? [];
  if (fields.length === 0) return sentence(message);
  return fields.map(({ path, message: why }) => sentence(`${fieldOf(path)}: ${why}`)).join(' ');
}

/** `body.newPassword` is "New password". */
function fieldOf(path: string): string {
  const words = path.replace(/^(body|query|params)\./, '').replace(/\.\d+$/, '');
  return sentenceCase(words.replace(/([A-Z])/g, (letter) => ` ${letter.toLowerCase()}`));
}
const sentenceCase = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

function nameOf(id: string): string | undefined {
  for (const query of queryClient.getQueryCache().getAll()) {
    const name = nameIn(query.state.data, id);
    if (name !== undefined) return name;
  }
  return undefined;
}

/** Our error messages start lower-case and end without a full stop, so that they chain; a page shows a sentence. */
export function sentence(message: string): string {
  const text = sentenceCase(withNames(message, nameOf));
  return /[.!?]$/.test(text) ? text : `${text}.`;
}
