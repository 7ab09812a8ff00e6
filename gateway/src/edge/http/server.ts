/** The HTTP server: routes, events, pages, upgrades, limits; starts, and stops by draining. Only main.ts imports it. */
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Server as NetServer, Socket } from 'node:net';
import { listenPrivately } from '@oriel/machine';
import express, { type ErrorRequestHandler, type Express, type RequestHandler } from 'express';
import type { Registry } from 'prom-client';
import { sayLast } from '../../../relay/stream/ws-channel.ts';
import { type Config, isLoopbackHost, LIMITS, originsOf } from '../../config.ts';
import { asGatewayError, GatewayError, StartError } from '../../errors.ts';
import type { AuditLog } from '../../identity/audit/audit-log.ts';
import { Refusals } from '../../identity/audit/refusals.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import type { Logger } from '../../log.ts';
import type { BoundRoute, ObjectLookups, UpgradeHandler } from '../../platform/api/bind.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';
import { readJson } from '../api/body.ts';
import { type EventRoute, eventRoutes } from '../api/event-route.ts';
import { type EdgeRules, fromOwnAccount, peerOfRequest, refuseManyHeaders } from '../api/exchange.ts';
import { Idempotency } from '../api/idempotency.ts';
import { trustedProxies } from '../api/origin.ts';
import { sendProblem } from '../api/problem.ts';
import { Rates } from '../api/rates.ts';
import { type RouteDeps, routeHandler } from '../api/route-handler.ts';
import { selfRoutes } from '../api/self-routes.ts';
import { noticeRoutes, UnknownOrigins } from '../api/unknown-origins.ts';
import { type Certificate, openCertificate, reloadOnChange, TLS_SETTINGS } from './certificate.ts';
import { cutStrangers, limitConnections, limitInFlight } from './connections.ts';
import { Activity, drain } from './draining.ts';
import { healthPage, httpMetrics, metricsPage, readyPage } from './metrics.ts';
import { setSecurityHeaders } from './security-headers.ts';
import { sometimes } from './sometimes.ts';
import { onUpgrade } from './upgrades.ts';
import { webFiles } from './web-files.ts';

export interface ServerOptions {
  readonly config: Pick<Config, 'listen' | 'origins' | 'tls' | 'trustedProxies' | 'dataFolder'>;
  readonly auth: Auth;
  readonly audit: AuditLog;
  readonly events: EventHub;
  readonly store: Store;
  readonly log: Logger;
  /** What the features bind. */
  readonly routes: readonly BoundRoute[];
  readonly lookups: ObjectLookups;
  readonly upgrades: readonly UpgradeHandler[];
  /** Folder of the built pages; none in tests of the API alone. */
  readonly webFolder?: string;
  /** Path of the unix socket on which the API is for this machine's own account; none in tests of the edge. */
  readonly ownSocket?: string;
  /** Metrics of the features; http's own are added to it. */
  readonly registry?: Registry;
  /** What must hold for `/readyz`; a name for each, and false or a throw when it does not. */
  readonly ready?: Readonly<Record<string, () => Promise<boolean>>>;
  readonly now?: () => number;
  /** Those of LIMITS where not given. */
  readonly requestsInFlight?: number;
  readonly requestsInFlightPerNetwork?: number;
  /** Of the product, for the API's description. */
  readonly version?: string;
}

export interface GatewayServer {
  /** Where people point their browser, such as `http://127.0.0.1:8443`. */
  readonly origin: string;
  readonly port: number;
  readonly server: http.Server | https.Server;
  /** Absent on plain HTTP. */
  readonly certificate: Certificate | undefined;
  /** Stops taking new requests, lets running ones end, closes event streams, then cuts what is left. */
  close(): Promise<void>;
}

export async function listen(options: ServerOptions): Promise<GatewayServer> {
  const { config } = options;
  if (!config.tls.isOn && !isLoopbackHost(config.listen.host) && config.trustedProxies.length === 0) {
    throw new StartError(`plain HTTP on ${config.listen.host} is refused`);
  }
  const stopping = new AbortController();
  const origins = new Set<string>(); // Known once the port is: filled below, and never after.
  const rules: EdgeRules = {
    origins,
    unknown: new UnknownOrigins(options.now ?? Date.now),
    proxies: trustedProxies(config.trustedProxies),
    log: options.log,
  };
  const certificate = config.tls.isOn ? await openCertificate(config, (options.now ?? Date.now)()) : undefined;
  const refusals = new Refusals(
    (entry) => options.audit.write(entry),
    (cause) => options.log.error({ err: cause }, 'audit.failed'),
    options.now,
  );
  const events = eventRoutes({ hub: options.events, auth: options.auth });
  const metrics = httpMetrics(options.registry, events.listeners);
  const idempotency = new Idempotency(options.store, options.now ?? Date.now);
  const { auth, audit, lookups } = options;
  const deps: RouteDeps = {
    auth,
    audit,
    refusals,
    lookups,
    idempotency,
    rates: new Rates(options.now ?? Date.now),
    rules,
    stopping: stopping.signal,
    observe: metrics.observe,
    readBody: readJson,
  };
  const app = makeApp(options, deps, events);
  const server = makeServer(app, certificate);
  const own = options.ownSocket === undefined ? undefined : makeServer(app, undefined);
  const servers = own === undefined ? [server] : [server, own];
  const activity = new Activity(servers);
  const strangers = sometimes(options.now ?? Date.now, (address, times) => {
    const hint = 'plain HTTP is for this machine and for ORIEL_TRUSTED_PROXY alone';
    options.log.warn({ address, times, hint }, 'connection.cut');
  });
  const upgrade = onUpgrade({ auth: options.auth, refusals, rules, handlers: options.upgrades });
  for (const each of servers) each.on('upgrade', upgrade);
  if (!config.tls.isOn)
    cutStrangers(server, rules.proxies, (address) => {
      metrics.refused('connection');
      strangers.say(address);
    });
  const connections = { perAddress: LIMITS.connectionsPerAddress, perNetwork: LIMITS.connectionsPerNetwork };
  limitConnections(server, connections, rules.proxies, () => metrics.refused('connection'));
  await listenOn(server, config.listen.host, config.listen.port);
  if (own !== undefined && options.ownSocket !== undefined) {
    own.on('connection', fromOwnAccount);
    await listenPrivately(own, options.ownSocket).catch((cause: Error) => {
      server.close();
      throw new StartError(`cannot listen on ${options.ownSocket}: ${cause.message}`, { cause });
    });
  }
  const stopReloading =
    certificate === undefined || !('setSecureContext' in server)
      ? undefined
      : reloadOnChange(server, certificate, options.log);
  const { port } = server.address() as AddressInfo;
  for (const origin of originsOf(config, port)) origins.add(origin);
  const origin = config.origins[0] ?? shownOrigin(config, port);
  options.auth.publicOrigin = origin;
  return {
    origin,
    port,
    server,
    certificate,
    close: async () => {
      stopReloading?.();
      await drain(servers, activity, stopping);
      await refusals.close();
    },
  };
}

function shownOrigin(config: ServerOptions['config'], port: number): string {
  const { host } = config.listen;
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host.includes(':') ? `[${host}]` : host;
  return new URL(`${config.tls.isOn ? 'https' : 'http'}://${shown}:${port}`).origin;
}

function makeApp(options: ServerOptions, deps: RouteDeps, events: EventRoute): Express {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.set('case sensitive routing', true);
  app.set('strict routing', true);
  app.use((request, response, next) => {
    // HSTS also where a trusted proxy does the TLS: the browser cannot tell.
    const { isSecure } = peerOfRequest(request, deps.rules.proxies);
    setSecurityHeaders(response, isSecure);
    if (deps.stopping.aborted) throw new GatewayError('STOPPING', 'the gateway is stopping', { retryAfterSeconds: 5 });
    refuseManyHeaders(request);
    next();
  });
  app.get('/healthz', healthPage); // Before the limit: a busy gateway is alive.
  const { requestsInFlight, requestsInFlightPerNetwork } = { ...LIMITS, ...options };
  app.use(limitInFlight(requestsInFlight, requestsInFlightPerNetwork, deps.rules.proxies));
  const features = [...options.routes, ...events.routes, ...noticeRoutes(deps.rules.unknown)];
  const version = options.version ?? '0.0.0';
  const routes = [
    ...features,
    ...selfRoutes(
      features.map(({ route }) => route),
      version,
    ),
  ];
  requireUnique(routes);
  for (const bound of routes) app[bound.route.method](expressPath(bound.route.path), routeHandler(bound, deps));
  app.get('/readyz', readyPage({ store: () => answers(options.store), ...options.ready }));
  app.get('/metrics', metricsPage(options.registry, options.auth, deps.rules));
  app.use('/ws', socketsOnly(options, deps));
  app.use('/api', (_request, _response, next) =>
    next(new GatewayError('NOT_FOUND', 'the API has no such path or verb')),
  );
  if (options.webFolder !== undefined) for (const handler of webFiles(options.webFolder)) app.use(handler);
  app.use((_request, _response, next) => next(new GatewayError('NOT_FOUND', 'there is no such page')));
  const onError: ErrorRequestHandler = (thrown, _request, response, _next) => {
    const requestId = newId();
    const error = isUriError(thrown)
      ? new GatewayError('BAD_REQUEST', 'this path is not well-formed')
      : asGatewayError(thrown);
    if (500 <= error.status && error.code !== 'STOPPING')
      options.log.error({ requestId, err: error.cause ?? error }, 'request.failed');
    sendProblem(response, error, requestId);
  };
  app.use(onError);
  return app;
}

/** A WebSocket comes as an upgrade and never here: what does has lost its `Upgrade` on the way, at a proxy that passes none. */
function socketsOnly({ log, now }: ServerOptions, { rules }: RouteDeps): RequestHandler {
  const lost = sometimes(now ?? Date.now, (address, times) => {
    const hint = 'a proxy on the way does not pass WebSockets: docs/operations.md has examples that do';
    log.warn({ address, times, hint }, 'websocket.not-passed');
  });
  return (request, response, next) => {
    lost.say(peerOfRequest(request, rules.proxies).address);
    response.setHeader('upgrade', 'websocket');
    next(
      new GatewayError(
        'UPGRADE_NEEDED',
        'this is a WebSocket, but the request came without its Upgrade header: a proxy on the way does not pass WebSockets',
      ),
    );
  };
}

function requireUnique(routes: readonly BoundRoute[]): void {
  const ids = new Set<string>();
  for (const { route } of routes) {
    if (ids.has(route.id)) throw new TypeError(`route ${route.id} is bound twice`);
    ids.add(route.id);
  }
}

async function answers(store: Store): Promise<boolean> {
  await store.db.selectFrom('users').select('id').limit(1).execute();
  return true;
}

/** `/vms/{vmId}` as express writes it. */
function expressPath(path: string): string {
  return `/api/v1${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
}

/** What express and send throw for a path like `/%zz`. */
function isUriError(thrown: unknown): boolean {
  return thrown instanceof URIError || (thrown as { status?: unknown } | undefined)?.status === 400;
}

const STATUS_OF_CLIENT_ERROR: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
};

function makeServer(app: Express, certificate: Certificate | undefined): http.Server | https.Server {
  const settings = {
    maxHeaderSize: LIMITS.headerBytes,
    headersTimeout: LIMITS.headersTimeoutMs,
    requestTimeout: LIMITS.requestTimeoutMs,
    keepAliveTimeout: LIMITS.keepAliveTimeoutMs,
    connectionsCheckingInterval: 1_000,
    noDelay: true,
  };
  // Session tickets are on by default; they spare a browser that comes back the handshake (2 ms of CPU each).
  const server =
    certificate === undefined
      ? http.createServer(settings, app)
      : https.createServer(
          {
            ...settings,
            cert: certificate.cert,
            key: certificate.key,
            ...TLS_SETTINGS,
            handshakeTimeout: LIMITS.headersTimeoutMs,
          },
          app,
        );
  // Node drops what is beyond this count without a word; so one more is let in, and then all of it is refused.
  server.maxHeadersCount = LIMITS.headerCount + 1;
  server.maxConnections = LIMITS.connections;
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) return void socket.destroy();
    const status = STATUS_OF_CLIENT_ERROR[error.code ?? ''] ?? '400 Bad Request';
    sayLast(socket as Socket, `HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
  });
  return server;
}

async function listenOn(server: NetServer, host: string, port: number): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const why =
        cause.code === 'EADDRINUSE'
          ? 'is taken: another program listens there, or another Oriel'
          : `cannot be used: ${cause.message}`;
      reject(new StartError(`address ${host}:${port} ${why}; set ORIEL_LISTEN to another`, { cause }));
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}
