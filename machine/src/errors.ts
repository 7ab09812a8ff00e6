/**
 * What this package refuses by itself. Errors of the operating system pass through as Node gives them (`code: 'ENOSPC'`):
 * each package that stands above turns both into its own.
 */

/** Stable: what is branched on. */
export type MachineErrorCode =
  | 'HELD' // a lock has an owner that lives, or of which nobody can know
  | 'IN_USE' // somebody answers on the socket
  | 'PATH_TOO_LONG' // a unix socket's path has at most 107 bytes
  | 'NOT_PRIVATE' // a folder or file that others could have laid there, or may write to
  | 'DAMAGED' // a record that cannot be read as one
  | 'TOOL_MISSING' // a foreign tool is not installed
  | 'TOOL_LIMIT'; // it took more than it was given

export class MachineError extends Error {
  override readonly name = 'MachineError';
  readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The name of an operating system's error, `ENOENT` and the like; `undefined` for anything else. */
export function errnoOf(cause: unknown): string | undefined {
  if (!(cause instanceof Error) || !('code' in cause)) return undefined;
  return typeof cause.code === 'string' ? cause.code : undefined;
}
