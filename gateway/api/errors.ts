/**
 * Every error code of the API with its HTTP status and title, and the error that a caller gets. Free of the schemas, which
 * are much to load for a command that never calls the API.
 */
export const ERRORS = {
  BAD_REQUEST: { status: 400, title: 'The request is not valid' },
  NOT_SIGNED_IN: { status: 401, title: 'Sign in first' },
  SIGN_IN_FAILED: { status: 401, title: 'Sign-in refused' },
  SECOND_FACTOR_NEEDED: { status: 401, title: 'A second factor is needed' },
  FORBIDDEN: { status: 403, title: 'Not allowed' },
  PROOF_NEEDED: { status: 403, title: 'Prove first that it is you' },
  WRONG_ORIGIN: { status: 403, title: 'The request comes from another site' },
  NOT_FOUND: { status: 404, title: 'Not found' },
  METHOD_NOT_ALLOWED: { status: 405, title: 'The resource has no such verb' },
  CONFLICT: { status: 409, title: 'Not possible in the present state' },
  ALREADY_EXISTS: { status: 409, title: 'It already exists' },
  BUSY: { status: 409, title: 'Something else is at work on it' },
  GONE: { status: 410, title: 'Used up or expired' },
  CHANGED_MEANWHILE: { status: 412, title: 'Somebody else changed it' },
  TOO_LARGE: { status: 413, title: 'The request is too large' },
  UNSUPPORTED_MEDIA: { status: 415, title: 'The body is not JSON' },
  UNPROCESSABLE: { status: 422, title: 'It cannot be done as asked' },
  NOT_SUPPORTED: { status: 422, title: 'This host cannot do that' },
  TOO_MANY: { status: 429, title: 'Too many' },
  LOCKED_OUT: { status: 429, title: 'Too many failed sign-ins' },
  UPGRADE_NEEDED: { status: 426, title: 'This is a WebSocket' },
  HEADERS_TOO_LARGE: { status: 431, title: 'Too many headers' },
  INTERNAL: { status: 500, title: 'Something went wrong in the gateway' },
  HOST_FAILED: { status: 502, title: 'The host did not do it' },
  UNAVAILABLE: { status: 503, title: 'Not available now' },
  STOPPING: { status: 503, title: 'The gateway is stopping' },
  TIMED_OUT: { status: 504, title: 'It took too long' },
  NO_SPACE: { status: 507, title: 'No space left' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

/** RFC 9457, section 3, with our extension members `code`, `requestId`, `errors` and `retryAfterSeconds`. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string | undefined;
  readonly code: ErrorCode;
  readonly requestId?: string | undefined;
  /** Where the request does not match its schema. */
  readonly errors?: readonly { readonly path: string; readonly message: string }[] | undefined;
  readonly retryAfterSeconds?: number | undefined;
}

/** A refusal or failure that the gateway described. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly code: ErrorCode;
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.detail ?? problem.title);
    this.code = problem.code;
    this.problem = problem;
  }
}
