/** Which page of ours may be asked for after a sign-in. Pure; pages and gateway judge by the same rule. */
const LIMITS = { pathChars: 2_048 } as const;

/** The path where it is one of this site, else `/`: `//host`, `/\host` and full addresses would leave it (S3). */
export function pagePath(wanted: string | null | undefined): string {
  if (wanted === null || wanted === undefined || LIMITS.pathChars < wanted.length) return '/';
  // oxlint-disable-next-line no-control-regex
  return /^\/(?![/\\])[^\\\u0000-\u001f\u007f]*$/.test(wanted) ? wanted : '/';
}
