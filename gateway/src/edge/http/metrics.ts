/**
 * `/metrics` for Prometheus, `/healthz` (the process answers) and `/readyz` (it can work). Labels are bounded: routes by
 * their id, statuses by class. Metrics are for this machine and for tokens that hold `settings`.
 */
import type { Request, RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, type Registry } from 'prom-client';
import { isLoopbackHost } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import { can } from '../../platform/rights/rights.ts';
import { authenticate, type EdgeRules, openExchange } from '../api/exchange.ts';

const READY_MS = 2_000;
const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10];

export interface HttpMetrics {
  readonly observe: (routeId: string, status: number, seconds: number) => void;
  readonly refused: (why: 'upgrade' | 'connection') => void;
}

export function httpMetrics(registry: Registry | undefined, listeners: () => number): HttpMetrics {
  if (registry === undefined) return { observe: () => undefined, refused: () => undefined };
  collectDefaultMetrics({ register: registry });
  const registers = [registry];
  const requests: Counter = new Counter({
    name: 'oriel_http_requests_total',
    help: 'Requests to the API',
    labelNames: ['route', 'status'],
    registers,
  });
  const seconds: Histogram = new Histogram({
    name: 'oriel_http_request_seconds',
    help: 'Time to answer, by route',
    labelNames: ['route'],
    buckets: BUCKETS_SECONDS,
    registers,
  });
  const refusals: Counter = new Counter({
    name: 'oriel_http_refused_total',
    help: 'Refused before any route',
    labelNames: ['why'],
    registers,
  });
  const open: Gauge = new Gauge({
    name: 'oriel_event_listeners',
    help: 'Open live event streams',
    registers,
    collect: () => open.set(listeners()),
  });
  return {
    observe: (route, status, took) => {
      requests.inc({ route, status: `${Math.floor(status / 100)}xx` });
      // A stream is open for as long as its page: that is no time to answer.
      if (route !== 'event.follow') seconds.observe({ route }, took);
    },
    refused: (why) => refusals.inc({ why }),
  };
}

export function metricsPage(registry: Registry | undefined, auth: Auth, rules: EdgeRules): RequestHandler {
  return async (request, response) => {
    const exchange = openExchange(request, rules);
    const principal = await authenticate(request, exchange, auth);
    const isLocal =
      isLoopbackHost(exchange.address) && request.headers['x-forwarded-for'] === undefined && isOwnHost(request, rules);
    if (!isLocal && (principal === undefined || !can(principal, 'settings'))) {
      throw new GatewayError(
        principal === undefined ? 'NOT_SIGNED_IN' : 'FORBIDDEN',
        'metrics need the right "settings"',
      );
    }
    if (registry === undefined) throw new GatewayError('NOT_FOUND', 'there are no metrics here');
    response
      .writeHead(200, { 'content-type': registry.contentType, 'cache-control': 'no-store' })
      .end(await registry.metrics());
  };
}

/**
 * Is the request for a name of ours? The one place where Host is read, and only to refuse: a page of elsewhere whose name
 * was made to mean 127.0.0.1 comes from this machine, too, with its own name in Host.
 */
function isOwnHost({ headers }: Pick<Request, 'headers'>, { origins }: EdgeRules): boolean {
  const host = headers.host ?? '';
  const name = host.replace(/:\d{1,5}$/, '').replaceAll(/^\[|\]$/g, '');
  return isLoopbackHost(name) || [...origins].some((origin) => new URL(origin).host === host);
}

/** Names of what is not ready; nobody learns why from here. */
export function readyPage(checks: Readonly<Record<string, () => Promise<boolean>>>): RequestHandler {
  return async (_request, response) => {
    const results = await Promise.all(
      Object.entries(checks).map(async ([name, check]) => ({
        name,
        isReady: await within(READY_MS, check).catch(() => false),
      })),
    );
    const missing = results.filter((result) => !result.isReady).map((result) => result.name);
    response.writeHead(missing.length === 0 ? 200 : 503, {
      'content-type': 'application/json',
      'cache-control': 'no-store',
    });
    response.end(JSON.stringify({ ready: missing.length === 0, missing }));
  };
}

export const healthPage: RequestHandler = (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end('ok\n');
};

async function within<T>(ms: number, work: () => Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new GatewayError('TIMED_OUT', `nothing within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work(), late]);
  } finally {
    clearTimeout(timer);
  }
}
