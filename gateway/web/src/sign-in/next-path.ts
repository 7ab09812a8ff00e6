/** What the address of the sign-in page asks for. */
import { pagePath } from '../../../api/next-path.ts';

/** Where to go after sign-in. */
export function nextPath(search: string): string {
  return pagePath(new URLSearchParams(search).get('next'));
}

/** The one-time link's token in the fragment, where only the browser sees it. */
export function linkToken(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('link') ?? '';
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : undefined;
}
