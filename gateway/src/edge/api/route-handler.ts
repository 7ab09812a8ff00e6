/**
 * One bound route as an express handler: origin, sign-in, right, schema, idempotency, then the feature's handler, then the
 * audit line and the answer. The order is the security of it: nothing of a feature runs before the right is sure.
 */
import type { Request, RequestHandler, Response } from 'express';
import type { z } from 'zod';
import type { Route } from '../../../api/route.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { Actor, AuditLog } from '../../identity/audit/audit-log.ts';
import type { Refusals } from '../../identity/audit/refusals.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import type { ApiRequest, BoundRoute, ObjectLookups } from '../../platform/api/bind.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import { checkAccess } from './access.ts';
import { etagOf, names, requireMatch } from './etag.ts';
import { authenticate, type EdgeRules, type Exchange, hintOf, openExchange, refuseForeign } from './exchange.ts';
import type { Idempotency } from './idempotency.ts';
import { schemaError, sendProblem } from './problem.ts';
import type { Rates } from './rates.ts';

export interface RouteDeps {
  readonly auth: Auth;
  readonly audit: AuditLog;
  /** Takes refusals and failures, and counts those of one cause that are too many. */
  readonly refusals: Refusals;
  readonly lookups: ObjectLookups;
  readonly idempotency: Idempotency;
  readonly rates: Rates;
  readonly rules: EdgeRules;
  /** Aborts when the gateway stops. */
  readonly stopping: AbortSignal;
  /** Called after each request, for the metrics. */
  readonly observe: (routeId: string, status: number, seconds: number) => void;
  /** Reads the JSON body; throws TOO_LARGE, UNSUPPORTED_MEDIA or BAD_REQUEST. */
  readonly readBody: (request: Request) => Promise<unknown>;
}

/** What is known of a request once it has failed or passed: the audit line is made of it. */
interface Progress {
  principal: Principal | undefined;
  params: Readonly<Record<string, unknown>>;
  notes: Record<string, unknown>;
  etag: string | undefined;
  status: number | undefined;
}

export function routeHandler(bound: BoundRoute, deps: RouteDeps): RequestHandler {
  const { route } = bound;
  const isAudited = route.audited ?? route.method !== 'get';
  return async (request, response) => {
    const started = process.hrtime.bigint();
    const exchange = openExchange(request, deps.rules);
    response.setHeader('x-request-id', exchange.requestId);
    const progress: Progress = { principal: undefined, params: {}, notes: {}, etag: undefined, status: undefined };
    response.once('close', () =>
      deps.observe(route.id, response.statusCode, Number(process.hrtime.bigint() - started) / 1e9),
    );
    try {
      await answer(bound, request, response, exchange, progress, deps, isAudited);
    } catch (thrown) {
      const error = asGatewayError(thrown);
      logFailure(exchange, route, error);
      // A refusal is always worth a line (ANSWERABLE); a GET that merely found nothing is not.
      const isRefusal = error.status === 401 || error.status === 403 || error.status === 429;
      if (isAudited || isRefusal) {
        // By who caused them: nobody fills the log with what was refused them, nor with what fails again and again.
        await writeAudit(deps.refusals, route, exchange, progress, error).catch((cause: unknown) =>
          exchange.log.error({ err: cause }, 'audit.failed'),
        );
      }
      sendProblem(response, error, exchange.requestId);
    }
  };
}

async function answer(
  bound: BoundRoute,
  request: Request,
  response: Response,
  exchange: Exchange,
  progress: Progress,
  deps: RouteDeps,
  isAudited: boolean,
): Promise<void> {
  const { route } = bound;
  if (route.method !== 'get') refuseForeign(exchange);
  progress.params = parse(route.params, request.params, 'path') as Record<string, unknown>;
  progress.principal = await authenticate(request, exchange, deps.auth);
  await checkAccess(route, progress.principal, progress.params, deps.lookups, deps.auth.now());
  if (progress.principal !== undefined) deps.rates.require(route, progress.principal, progress.params);
  const query = parse(route.query, request.query, 'query');
  const body = route.body === undefined ? undefined : parse(route.body, await deps.readBody(request), 'body');
  const apiRequest = makeRequest(request, response, exchange, progress, { query, body }, deps.stopping);
  if (bound.kind === 'raw') {
    await bound.handle(apiRequest as never, response);
    // A handler that turned its refusal into a page has said so in its notes.
    const sink = progress.notes['outcome'] === 'refused' ? deps.refusals : deps.audit;
    if (isAudited) await writeAudit(sink, route, exchange, progress, undefined);
    return;
  }
  const work = async (): Promise<{ status: number; body: unknown }> => {
    const reply = await bound.handle(apiRequest as never);
    return { status: progress.status ?? route.status ?? (route.reply === undefined ? 204 : 200), body: reply };
  };
  const key = request.get('idempotency-key');
  const userId = progress.principal?.userId;
  const result =
    route.creates === true && key !== undefined && userId !== undefined
      ? await deps.idempotency.once(userId, key, route.id, { params: progress.params, query, body }, work)
      : { ...(await work()), isReplay: false };
  if (result.isReplay) response.setHeader('idempotency-replayed', 'true');
  // Before the answer: what is not in the log was not done as far as the caller knows.
  if (isAudited) await writeAudit(deps.audit, route, exchange, progress, undefined);
  sendReply(request, response, route, result.status, result.body, progress.etag);
}

function sendReply(
  request: Request,
  response: Response,
  route: Route,
  status: number,
  body: unknown,
  etag: string | undefined,
): void {
  response.setHeader('cache-control', 'no-store');
  if (etag !== undefined) {
    response.setHeader('etag', etag);
    const known = request.get('if-none-match');
    response.setHeader('cache-control', 'private, no-cache');
    if (route.method === 'get' && known !== undefined && names(known, etag)) {
      response.writeHead(304).end();
      return;
    }
  }
  if (status === 204 || route.reply === undefined) {
    response.writeHead(status).end();
    return;
  }
  // encode, not parse: what the schema does not name does not leave (NO-SECRET-OUT), and a wrong reply is our bug.
  const parsed = route.reply.safeParse(body);
  if (!parsed.success)
    throw new GatewayError('INTERNAL', `the reply of ${route.id} does not match its schema`, { cause: parsed.error });
  response.writeHead(status, { 'content-type': 'application/json; charset=utf-8' }).end(JSON.stringify(parsed.data));
}

function parse(schema: z.ZodType | undefined, value: unknown, where: 'path' | 'query' | 'body'): unknown {
  if (schema === undefined) return {};
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  // A path that cannot name an object names none.
  if (where === 'path') throw new GatewayError('NOT_FOUND', 'no object has such an id');
  throw schemaError(where, parsed.error);
}

function makeRequest(
  request: Request,
  response: Response,
  exchange: Exchange,
  progress: Progress,
  parts: { readonly query: unknown; readonly body: unknown },
  stopping: AbortSignal,
): Omit<ApiRequest, 'principal'> & { readonly principal: Principal | undefined } {
  const gone = new AbortController();
  response.once('close', () => {
    if (!response.writableFinished) gone.abort(new GatewayError('GONE', 'the client went away'));
  });
  return {
    params: progress.params,
    ...parts,
    principal: progress.principal,
    requestId: exchange.requestId,
    address: exchange.address,
    isSecure: exchange.isSecure,
    userAgent: exchange.userAgent,
    signal: AbortSignal.any([gone.signal, stopping]),
    log: exchange.log,
    incoming: request,
    note: (detail) => void Object.assign(progress.notes, detail),
    etag: (version) => void (progress.etag = etagOf(version)),
    ifMatch: (version) => requireMatch(request.get('if-match'), version),
    header: (name, value) => void response.setHeader(name, value),
    status: (code) => void (progress.status = code),
  };
}

function logFailure(exchange: Exchange, route: Route, error: GatewayError): void {
  const fields = { route: route.id, code: error.code, address: exchange.address, ...hintOf(exchange, error) };
  if (error.status < 500) exchange.log.info({ ...fields, reason: error.message }, 'request.refused');
  else exchange.log.error({ ...fields, err: error.cause ?? error }, 'request.failed');
}

export function actorOf(principal: Principal | undefined): Actor {
  if (principal === undefined) return { id: null, name: '-', via: '-' };
  return { id: principal.userId, name: principal.name, via: principal.via.kind };
}

async function writeAudit(
  audit: Pick<AuditLog, 'write'>,
  route: Route,
  exchange: Exchange,
  progress: Progress,
  error: GatewayError | undefined,
): Promise<void> {
  const { target, actor, outcome, code, ...detail } = progress.notes;
  const ids = Object.values(progress.params).map(String).join('/');
  await audit.write({
    // A sign-in is nobody's until it has succeeded: then the handler says whose.
    actor: (actor as Actor | undefined) ?? actorOf(progress.principal),
    action: route.id,
    target: typeof target === 'string' ? target : ids === '' ? null : ids,
    outcome:
      error === undefined ? (outcome === 'refused' ? 'refused' : 'ok') : error.status < 500 ? 'refused' : 'failed',
    code: error?.code ?? (typeof code === 'string' ? code : null),
    address: exchange.address,
    requestId: exchange.requestId,
    detail,
  });
}
