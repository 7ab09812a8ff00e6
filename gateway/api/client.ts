/**
 * The typed API client that the web pages and the command line share. It knows no DOM and no node: `fetch` is handed in.
 * In a browser the cookie goes along by itself; elsewhere give a token.
 */
import type { z } from 'zod';
import { ApiError, type Problem } from './errors.ts';
import { ProblemDocument } from './problem.ts';
import type { Route } from './route.ts';

export interface FetchInit {
  method: string;
  headers: Record<string, string>;
  body?: string;
  credentials?: 'same-origin';
  signal?: AbortSignalLike;
}
/** What of AbortSignal we pass on; DOM's and node's both fit. */
export interface AbortSignalLike {
  readonly aborted: boolean;
}
export interface FetchResponse {
  readonly ok: boolean;
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  text(): Promise<string>;
}
/** `globalThis.fetch` of a browser or of node fits; a cast at the call site may be needed for the signal. */
export type Fetch = (url: string, init: FetchInit) => Promise<FetchResponse>;

export interface ClientOptions {
  readonly fetch: Fetch;
  readonly token?: string;
  /** Reads a reply; JSON.parse where not given. */
  readonly read?: (json: string) => unknown;
  /** Called for each 401 that is not about a sign-in in progress, so that a page can go to the sign-in. */
  readonly onSignedOut?: () => void;
}

type Given<T extends z.ZodType, Key extends string> = [z.input<T>] extends [undefined]
  ? { [K in Key]?: undefined }
  : { [K in Key]: z.input<T> };
type MaybeGiven<T extends z.ZodType, Key extends string> =
  undefined extends z.input<T> ? { [K in Key]?: undefined } : { [K in Key]?: z.input<T> };

export type CallInput<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType> = Given<P, 'params'> &
  MaybeGiven<Q, 'query'> &
  Given<B, 'body'> & {
    /** Send `If-Match`: the change is refused (CHANGED_MEANWHILE) when the object has another ETag by now. */
    readonly ifMatch?: string | undefined;
    /** For creating verbs: a repeat with the same key gives the first answer. */
    readonly idempotencyKey?: string | undefined;
    readonly signal?: AbortSignalLike | undefined;
  };

export interface Answer<R> {
  readonly body: R;
  readonly etag: string | undefined;
  readonly status: number;
}

export interface Client {
  /** Calls a route and gives its reply. Throws ApiError. */
  call<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<P, Q, B>,
  ): Promise<z.output<R>>;
  /** The same, with status and ETag. */
  send<P extends z.ZodType, Q extends z.ZodType, B extends z.ZodType, R extends z.ZodType>(
    route: Route<P, Q, B, R>,
    input: CallInput<P, Q, B>,
  ): Promise<Answer<z.output<R>>>;
  /** The URL of a route, for pictures, downloads and EventSource. */
  url(route: Route, input?: { readonly params?: unknown; readonly query?: unknown }): string;
}

/** `baseUrl` is an origin such as `https://oriel.example:8443`, or '' in a page served by the gateway itself. */
export function createClient(baseUrl: string, options: ClientOptions): Client {
  const url: Client['url'] = (route, input = {}) => baseUrl + routeUrl(route, input.params, input.query);
  const read = options.read ?? ((json: string): unknown => JSON.parse(json));
  const send: Client['send'] = async (route, input) => {
    const headers: Record<string, string> = { accept: 'application/json, application/problem+json' };
    if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
    if (input.ifMatch !== undefined) headers['if-match'] = input.ifMatch;
    if (input.idempotencyKey !== undefined) headers['idempotency-key'] = input.idempotencyKey;
    const init: FetchInit = { method: route.method.toUpperCase(), headers, credentials: 'same-origin' };
    if (input.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(input.body);
    }
    if (input.signal !== undefined) init.signal = input.signal;
    const response = await options.fetch(url(route, input), init);
    const text = await response.text();
    if (!response.ok) {
      const error = new ApiError(problemOf(response.status, text, read));
      if (error.code === 'NOT_SIGNED_IN') options.onSignedOut?.();
      throw error;
    }
    const body = route.reply === undefined ? undefined : route.reply.parse(read(text));
    return { body: body as never, etag: response.headers.get('etag') ?? undefined, status: response.status };
  };
  return { send, url, call: async (route, input) => (await send(route, input)).body };
}

/** The problem document of an answer, or one that says there was none. */
export function problemOf(status: number, text: string, read: (json: string) => unknown = JSON.parse): Problem {
  try {
    return ProblemDocument.parse(read(text));
  } catch {
    const code = status === 401 ? 'NOT_SIGNED_IN' : 'UNAVAILABLE';
    return {
      type: 'about:blank',
      title: `answer ${status}`,
      status,
      code,
      detail: `the gateway answered ${status} without a problem document`,
    };
  }
}

/** Path and query of a call, below the origin. */
export function routeUrl(route: Route, params: unknown, query: unknown): string {
  const values = (params ?? {}) as Record<string, unknown>;
  const path = route.path.replaceAll(/\{(\w+)\}/g, (_, key: string) => encodeURIComponent(String(values[key])));
  const pairs: string[] = [];
  for (const [key, value] of Object.entries((query ?? {}) as Record<string, unknown>)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined) pairs.push(`${encodeURIComponent(key)}=${encodeURIComponent(String(one))}`);
    }
  }
  return `/api/v1${path}${pairs.length === 0 ? '' : `?${pairs.join('&')}`}`;
}
