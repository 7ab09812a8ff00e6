/** The one error class of the gateway. Its codes and their HTTP statuses are in shared/problem.ts. */
import { ERRORS, type ErrorCode } from '../api/errors.ts';

export interface GatewayErrorOptions extends ErrorOptions {
  /** When trying again makes sense; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  readonly errors?: readonly { readonly path: string; readonly message: string }[];
}

/**
 * What a handler throws to refuse or to report a failure. The message is shown to the caller: it names the value, and
 * never a secret, an address of a host or a path of this machine (NO-SECRET-OUT), but for the folders that admins lay
 * files into; those go into `cause`, which is logged.
 */
export class GatewayError extends Error {
  override readonly name = 'GatewayError';
  readonly code: ErrorCode;
  readonly retryAfterSeconds: number | undefined;
  readonly errors: readonly { readonly path: string; readonly message: string }[] | undefined;
  constructor(code: ErrorCode, message: string, options?: GatewayErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryAfterSeconds = options?.retryAfterSeconds;
    this.errors = options?.errors;
  }
  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The error as one of ours. */
export function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  return new GatewayError('INTERNAL', 'the gateway could not do this; its log says why, under the request id', {
    cause: error,
  });
}

/** A mistake in how the gateway was started or what it found there: one line for a person, exit status 1. */
export class StartError extends Error {
  override readonly name = 'StartError';
}
