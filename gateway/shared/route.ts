/**
 * One description per API route: the server binds a handler to it, the typed client calls it, OpenAPI is generated from
 * it. Nothing else says what a route takes or gives.
 */
import type { z } from 'zod';

export type Method = 'get' | 'post' | 'put' | 'patch' | 'delete';

/** What the caller must hold: a right, a mere sign-in, or nothing. The object the right is about is the route's business. */
export type Access = 'public' | 'signed-in' | { readonly right: string };

export interface Route<
  Params extends z.ZodType = z.ZodType,
  Query extends z.ZodType = z.ZodType,
  Body extends z.ZodType = z.ZodType,
  Reply extends z.ZodType = z.ZodType,
> {
  /** Unique, `resource.verb`: the OpenAPI operationId and the name in tests. */
  readonly id: string;
  readonly method: Method;
  /** Below `/api/v1`, with `{name}` for each key of `params`. */
  readonly path: string;
  readonly summary: string;
  readonly access: Access;
  readonly params?: Params;
  readonly query?: Query;
  readonly body?: Body;
  /** The JSON of a success. Absent: 204 without a body. */
  readonly reply?: Reply;
  /** 200 where not given. */
  readonly status?: 200 | 201 | 202 | 204;
  /** Error codes beyond the ones that every route can give. */
  readonly errors?: readonly string[];
}

/** Keeps the literal types of a description; does nothing at run time. */
export function route<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  description: Route<P, Q, B, R>,
): Route<P, Q, B, R> {
  return description;
}
