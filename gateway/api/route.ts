/**
 * One description per API route: the server binds a handler to it, the typed client calls it, OpenAPI is generated from
 * it, and the tests draw the access matrix and the fuzz cases from it. Nothing else says what a route takes or gives.
 */
import type { z } from 'zod';
import type { ErrorCode } from './errors.ts';
import type { Right } from './rights.ts';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What a right can be about. The gateway looks up who owns the object and which desktop it belongs to. */
export type ObjectKind = 'desktop' | 'session' | 'task' | 'token' | 'browser-session';

/**
 * What the caller must hold.
 * - `public`: nothing. `signed-in`: any account; the handler shows only what is the caller's.
 * - `{ right }`: the right everywhere, by role.
 * - `{ right, on, by }`: the right on the object whose id is the path parameter `by`: everywhere by role, on its desktop by
 *   assignment, or (with `owner: true`) because it is the caller's own. Without it the answer is 404, as if there were none.
 */
export type Access =
  | 'public'
  | 'signed-in'
  | { readonly right: Right }
  | { readonly right: Right; readonly on: ObjectKind; readonly by: string; readonly owner?: boolean };

export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  /** Unique, `resource.verb`: the OpenAPI operationId, the audit action and the name in tests. */
  readonly id: string;
  readonly method: Method;
  /** Below `/api/v1`, with `{name}` for each key of `params`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly params?: Params;
  /** Values arrive as strings (or arrays of them): use z.coerce for numbers. */
  readonly query?: Query;
  readonly body?: Body;
  /** The JSON of a success. Absent: 204 without a body (or what `produces` names). */
  readonly reply?: Reply;
  /** 200 where not given, 204 where there is no reply. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Media type of a success that is not JSON: the handler is bound with `bindRaw` and writes it itself. */
  readonly produces?: string;
  /** Media type of a request body that is not JSON: the handler reads `request.incoming`. */
  readonly consumes?: string;
  /** A creating verb: `Idempotency-Key` makes a repeat give the first answer again. */
  readonly creates?: boolean;
  /** Only from a browser session (or the local socket), never with an API token: what manages the account itself. */
  readonly noToken?: boolean;
  /**
   * What it makes outlasts the sign-in: a browser that proved who sits there (`me.prove`, or the sign-in itself) more than
   * five minutes ago is told PROOF_NEEDED.
   */
  readonly fresh?: boolean;
  /** How often one person may do it to the same object, or (`of: 'person'`) to all; more is refused with TOO_MANY. */
  readonly rate?: { readonly times: number; readonly perMs: number; readonly of?: 'person' };
  /** A line in the audit log. By default every method but GET. */
  readonly audited?: boolean;
  /** Error codes beyond the ones that every route can give. */
  readonly errors?: readonly ErrorCode[];
}

/** Keeps the literal types of a description; does nothing at run time. */
export function route<
  P extends z.ZodType = z.ZodUndefined,
  Q extends z.ZodType = z.ZodUndefined,
  B extends z.ZodType = z.ZodUndefined,
  R extends z.ZodType = z.ZodUndefined,
>(description: Route<P, Q, B, R>): Route<P, Q, B, R> {
  return description;
}
