/**
 * What a feature writes its API against: `bind` ties a route description to a handler. Pure data; http/ makes a server of
 * it and checks access, schema, origin, ETag and idempotency before a handler runs, and writes the audit line after it.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { z } from 'zod';
import type { ObjectKind, Route } from '../../../api/route.ts';
import type { Logger } from '../../log.ts';
import type { ObjectFacts, Principal } from '../rights/rights.ts';

/** A request that has passed: its access is granted and its parts match their schemas. */
export interface ApiRequest<P = unknown, Q = unknown, B = unknown> {
  readonly params: P;
  readonly query: Q;
  readonly body: B;
  /** Who asks. On a public route it may be nobody: use `bindPublic` there. */
  readonly principal: Principal;
  readonly requestId: string;
  /** The client's address; a proxy's `X-Forwarded-For` counts only when the proxy is a trusted one. */
  readonly address: string;
  /** Did it come over TLS (to us or to the trusted proxy)? */
  readonly isSecure: boolean;
  readonly userAgent: string;
  /** Aborts when the client goes away or the gateway stops. */
  readonly signal: AbortSignal;
  readonly log: Logger;
  readonly incoming: IncomingMessage;
  /** Adds to the audit line of this request: what it was done to, and what is worth keeping. Never a secret. */
  readonly note: (detail: Readonly<Record<string, unknown>>) => void;
  /** Sets the reply's ETag. A GET with the same If-None-Match is answered 304. */
  readonly etag: (version: string | number) => void;
  /** Refuses with CHANGED_MEANWHILE when the caller sent If-Match and the object is at another version. */
  readonly ifMatch: (version: string | number) => void;
  /** A reply header, for `Location` and the like. */
  readonly header: (name: string, value: string | readonly string[]) => void;
  /** The status instead of the route's, such as 202 where a route sometimes answers with a task. */
  readonly status: (code: number) => void;
}

/** The same where nobody needs to be signed in. */
export interface PublicRequest<P = unknown, Q = unknown, B = unknown> extends Omit<ApiRequest<P, Q, B>, 'principal'> {
  readonly principal: Principal | undefined;
}

export type BoundRoute = { readonly route: Route } & (
  | { readonly kind: 'json'; readonly handle: (request: never) => Promise<unknown> }
  | { readonly kind: 'raw'; readonly handle: (request: never, response: ServerResponse) => Promise<void> }
);

/** What a handler gives: the reply, or nothing where the route has none. */
export type ReplyOf<R extends z.ZodType> = [z.input<R>] extends [undefined] ? void : z.input<R>;

/** Ties a route to its handler. What the handler gives is the reply (it is checked against the schema in tests). */
export function bind<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: Route<P, Q, B, R>,
  handle: (request: ApiRequest<z.output<P>, z.output<Q>, z.output<B>>) => Promise<ReplyOf<R>>,
): BoundRoute {
  if (route.access === 'public') throw new TypeError(`route ${route.id} is public: use bindPublic`);
  return { route: route as unknown as Route, kind: 'json', handle };
}

export function bindPublic<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: Route<P, Q, B, R>,
  handle: (request: PublicRequest<z.output<P>, z.output<Q>, z.output<B>>) => Promise<ReplyOf<R>>,
): BoundRoute {
  if (route.access !== 'public') throw new TypeError(`route ${route.id} is not public: use bind`);
  return { route: route as unknown as Route, kind: 'json', handle };
}

/** For routes that `produces` something else than JSON: the handler writes the response itself, head included. */
export function bindRaw<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
  route: Route<P, Q, B, R>,
  handle: (request: ApiRequest<z.output<P>, z.output<Q>, z.output<B>>, response: ServerResponse) => Promise<void>,
): BoundRoute {
  return { route: route as unknown as Route, kind: 'raw', handle };
}

/** Finds the facts about an object that access is decided on; undefined where there is no such object. */
export type ObjectLookup = (id: string) => Promise<ObjectFacts | undefined>;
/** One lookup per kind that routes name in `access.on`; the feature that owns the kind gives it. */
export type ObjectLookups = Partial<Record<ObjectKind, ObjectLookup>>;

/** An upgrade request whose Origin has been judged. */
export interface UpgradeRequest {
  readonly incoming: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
  /** Below the handler's path, with its query. */
  readonly url: URL;
  /**
   * `same`: a page of ours. `absent`: no browser; then `principal` never comes from a cookie. A foreign Origin has been
   * refused (403) before the handler sees it.
   */
  readonly origin: 'same' | 'absent';
  /** Signed in by cookie (only with `origin: 'same'`) or by `Authorization: Bearer`; undefined: a ticket must prove it. */
  readonly principal: Principal | undefined;
  readonly address: string;
  readonly isSecure: boolean;
  readonly requestId: string;
  readonly log: Logger;
  /** Answers with a status and a problem document and closes the socket. */
  readonly refuse: (error: unknown) => void;
  /** For a refusal after the upgrade was answered: its line in the audit log, or one more in the count of who caused it. */
  readonly refused: (action: string, detail: Readonly<Record<string, unknown>>) => void;
}

/** Something that takes WebSocket upgrades below a path: `/ws/display` takes `/ws/display` and `/ws/display/…`. */
export interface UpgradeHandler {
  readonly path: string;
  readonly handle: (request: UpgradeRequest) => void | Promise<void>;
}
