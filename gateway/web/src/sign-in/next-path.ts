/** Where to go after sign-in. Only a path of this site: `//host`, `/\host` and full addresses would leave it (S3). */
export function nextPath(search: string): string {
  const next = new URLSearchParams(search).get('next') ?? '/';
  // oxlint-disable-next-line no-control-regex
  return /^\/(?![/\\])[^\\\u0000-\u001f]*$/.test(next) ? next : '/';
}

/** The one-time link's token in the fragment, where only the browser sees it. */
export function linkToken(hash: string): string | undefined {
  const token = new URLSearchParams(hash.replace(/^#/, '')).get('link') ?? '';
  return /^[A-Za-z0-9_-]{43}$/.test(token) ? token : undefined;
}
