/** ETags and the conditions on them (RFC 9110, sections 8.8.3 and 13). Pure. */
import { GatewayError } from '../../errors.ts';

export function etagOf(version: string | number): string {
  return `"${version}"`;
}

/** Does a list of tags (`If-Match`, `If-None-Match`) name this one? Weak and strong forms count the same: we serve JSON. */
export function names(header: string, etag: string): boolean {
  if (header.trim() === '*') return true;
  return header.split(',').some((tag) => tag.trim().replace(/^W\//, '') === etag);
}

/** Refuses when the caller's idea of the object is an old one. Without If-Match the caller does not care. */
export function requireMatch(header: string | undefined, version: string | number): void {
  if (header === undefined || names(header, etagOf(version))) return;
  throw new GatewayError('CHANGED_MEANWHILE', 'the object is not what it was when you fetched it; fetch it again');
}
