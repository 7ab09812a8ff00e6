/** What the disk service refuses, in the words of the API. NO-SECRET-OUT: its messages may hold paths, ours do not. */
import { isVhdError, type VhdErrorCode } from '@oriel/vhd';
import type { ErrorCode } from '../../../api/errors.ts';
import { GatewayError } from '../../errors.ts';

const CODES: Partial<Record<VhdErrorCode, readonly [ErrorCode, string]>> = {
  NOT_FOUND: ['NOT_FOUND', 'is not in the library'],
  EXISTS: ['ALREADY_EXISTS', 'is in the library already'],
  LOCKED: ['CONFLICT', 'is in use'],
  HAS_CHILDREN: ['CONFLICT', 'has disks that depend on it'],
  SEALED: ['CONFLICT', 'is sealed and cannot change'],
  IN_PROGRESS: ['BUSY', 'has other work going on'],
  CHAIN_TOO_LONG: ['CONFLICT', 'has too many links: delete snapshots first'],
  NO_SPACE: ['NO_SPACE', 'does not fit: the storage is full'],
  TOO_LARGE: ['UNPROCESSABLE', 'is larger than the format allows'],
  USAGE: ['UNPROCESSABLE', 'cannot be done as asked'],
  UNSUPPORTED: ['UNPROCESSABLE', 'is of a kind that is not supported'],
  TOOL_MISSING: ['NOT_SUPPORTED', 'needs qemu-img, which is not installed'],
  TOOL_FAILED: ['UNPROCESSABLE', 'could not be read'],
  NOT_EMPTY: ['UNPROCESSABLE', 'holds data where it would be cut off'],
  PARENT_NOT_FOUND: [
    'UNPROCESSABLE',
    'is a child of another image, which is not there: merge the chain into one file first',
  ],
  PARENT_OUTSIDE: [
    'UNPROCESSABLE',
    'is a child of another image, which is not beside it: merge the chain into one file first',
  ],
  PARENT_MISMATCH: ['UNPROCESSABLE', 'does not hold what it would have to'],
  NOT_OWNER: ['CONFLICT', 'is in use by another VM, job or pool'],
  LEASE_LOST: ['CONFLICT', 'was taken over by another host'],
  INTERRUPTED: ['UNAVAILABLE', 'was cut off when its disk service ended: try again'],
  CANCELLED: ['CONFLICT', 'was cancelled'],
  SERVICE: ['UNAVAILABLE', 'cannot be reached: the disk service does not answer'],
};

/** What to do about a refusal, by its code, where that depends on what was asked. */
export type Advice = Partial<Record<VhdErrorCode, string>>;

/** `what` names the thing as its user knows it: "disk desk-7". */
export function diskError(what: string, cause: unknown, advice: Advice = {}): unknown {
  if (!isVhdError(cause)) return cause;
  const [code, text] = CODES[cause.code] ?? ['UNPROCESSABLE', `is damaged (${cause.code})`];
  const todo = advice[cause.code];
  return new GatewayError(code, `${what} ${text}${todo === undefined ? '' : `: ${todo}`}`, { cause });
}

/** Whether an error is a refusal with one of these codes. */
export function isCode(error: unknown, ...codes: readonly ErrorCode[]): boolean {
  return error instanceof GatewayError && codes.includes(error.code);
}

/** Runs a call to the disk service, its errors in our words. */
export async function asking<T>(what: string, call: Promise<T>, advice?: Advice): Promise<T> {
  try {
    return await call;
  } catch (cause) {
    throw diskError(what, cause, advice);
  }
}
