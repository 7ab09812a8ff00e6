/** How the `oriel` command ends: what each failure prints, and its exit status. Scripts branch on the status. */
import type { ErrorCode } from '../../../api/errors.ts';

export const EXIT = {
  ok: 0,
  failed: 1,
  /** The command line itself is wrong: EX_USAGE of sysexits.h, also below `oriel vhd`, where 2 says that an image has problems. */
  usage: 64,
  /** Not signed in, or not allowed. */
  denied: 3,
  notFound: 4,
  /** It exists already, is in use, or is in a state in which this cannot be done. */
  conflict: 5,
  /** The gateway does not answer. */
  unreachable: 6,
} as const;
export type ExitStatus = (typeof EXIT)[keyof typeof EXIT];

/** A failure that the person at the terminal can do something about: one line, no stack. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly status: ExitStatus;
  constructor(message: string, status: ExitStatus = EXIT.failed, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const STATUS_OF: Partial<Record<ErrorCode, ExitStatus>> = {
  BAD_REQUEST: EXIT.usage,
  UNPROCESSABLE: EXIT.usage,
  NOT_SIGNED_IN: EXIT.denied,
  SIGN_IN_FAILED: EXIT.denied,
  SECOND_FACTOR_NEEDED: EXIT.denied,
  FORBIDDEN: EXIT.denied,
  PROOF_NEEDED: EXIT.denied,
  LOCKED_OUT: EXIT.denied,
  NOT_FOUND: EXIT.notFound,
  GONE: EXIT.notFound,
  CONFLICT: EXIT.conflict,
  ALREADY_EXISTS: EXIT.conflict,
  BUSY: EXIT.conflict,
  CHANGED_MEANWHILE: EXIT.conflict,
  UNAVAILABLE: EXIT.unreachable,
  STOPPING: EXIT.unreachable,
};

export function exitStatusOf(code: ErrorCode): ExitStatus {
  return STATUS_OF[code] ?? EXIT.failed;
}
