/** Times: ms since 1970 in the store, ISO 8601 in the API; and the place in a list that is ordered by them. */
import { GatewayError } from '../../errors.ts';

export function iso(ms: number): string {
  return new Date(ms).toISOString();
}

/** The same for what may not have happened yet. */
export function isoOrNull(ms: number | null): string | null {
  return ms === null ? null : iso(ms);
}

/** The last entry of a page, newest first: the next one begins behind it. */
export interface TimePlace {
  readonly at: number;
  readonly id: string;
}

export const timeCursor = ({ at, id }: TimePlace): string => `${at}.${id}`;

/** Errors: BAD_REQUEST. */
export function parseTimeCursor(cursor: string | undefined): TimePlace | undefined {
  if (cursor === undefined) return undefined;
  const match = /^(\d{1,15})\.([0-9a-z-]{1,36})$/.exec(cursor);
  if (match === null) throw new GatewayError('BAD_REQUEST', 'the cursor is not one of ours');
  return { at: Number(match[1]), id: match[2] ?? '' };
}
