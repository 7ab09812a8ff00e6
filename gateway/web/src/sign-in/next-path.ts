/** What the address of the sign-in page asks for. */
import { ERRORS } from '../../../api/errors.ts';
import { pagePath } from '../../../api/next-path.ts';

/** Where to go after sign-in. */
export function nextPath(search: string): string {
  return pagePath(new URLSearchParams(search).get('next'));
}

/** Why single sign-on let nobody in, in words: it comes back to this page with the code of its refusal in the fragment. */
export function refusalOf(hash: string): string | undefined {
  const code = new URLSearchParams(hash.replace(/^#/, '')).get('error');
  return Object.entries(ERRORS).find(([name]) => name === code)?.[1].title;
}

/** The one-time link's token in the fragment, where only the browser sees it. */
export function linkToken(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('link') ?? '';
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : undefined;
}
