/** Live events as text/event-stream, resumable by Last-Event-ID (HTML, "Server-sent events"). */
import type { ServerResponse } from 'node:http';
import { EventTopic, eventStream } from '../../../api/events.ts';
import { LIMITS } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import { type BoundRoute, bindRaw } from '../../platform/api/bind.ts';
import { type EventHub, maySee, type PublishedEvent } from '../../platform/events/hub.ts';
import type { Principal } from '../../platform/rights/rights.ts';

export interface EventRouteOptions {
  readonly hub: EventHub;
  readonly auth: Auth;
  readonly limits?: {
    readonly listeners: number;
    readonly perUser: number;
    readonly heartbeatMs: number;
    readonly backlogBytes: number;
  };
}

const DEFAULTS = {
  listeners: LIMITS.eventListeners,
  perUser: LIMITS.eventListenersPerUser,
  heartbeatMs: LIMITS.eventHeartbeatMs,
  backlogBytes: LIMITS.eventBacklogBytes,
};

/** The route, and how many listen now. */
export interface EventRoute {
  readonly routes: readonly BoundRoute[];
  readonly listeners: () => number;
}

export function eventRoutes(options: EventRouteOptions): EventRoute {
  const { hub, auth } = options;
  const limits = options.limits ?? DEFAULTS;
  const listeners = new Map<string, number>();
  let all = 0;
  const count = (userId: string, by: 1 | -1): void => {
    all += by;
    const own = (listeners.get(userId) ?? 0) + by;
    if (own === 0) listeners.delete(userId);
    else listeners.set(userId, own);
  };

  const routes = [
    bindRaw(eventStream, async ({ query, principal, signal, incoming, log }, response) => {
      const topics = topicsOf(query.topics);
      if (limits.listeners <= all || limits.perUser <= (listeners.get(principal.userId) ?? 0)) {
        throw new GatewayError('TOO_MANY', 'too many listeners for live events', { retryAfterSeconds: 10 });
      }
      const after = incoming.headers['last-event-id'] ?? query.after;
      const stream = new EventStream(response, limits.backlogBytes);
      let current: Principal = principal;
      count(principal.userId, 1);
      stream.open();
      const forward = (published: PublishedEvent): void => {
        if (topics !== undefined && !topics.has(published.event.topic)) return;
        if (maySee(current, published.audience)) stream.send(published.message);
      };
      const missed = after === undefined ? [] : hub.after(String(after));
      if (missed === undefined) stream.reset(hub.cursor);
      else if (missed.length === 0) stream.hello(hub.cursor);
      else for (const event of missed) forward(event);
      const unsubscribe = hub.subscribe(forward);
      // TICKETED, for this socket too: rights are asked for again when they change, and it closes when the account goes.
      const unwatch = auth.revocations.subscribe((revocation) => {
        if (revocation.kind === 'desktop' || revocation.userId !== current.userId) return;
        auth.again(current).then(
          (again) => {
            if (again === undefined) stream.end();
            else current = again;
          },
          (error: unknown) => {
            log.error({ err: error }, 'events.recheck-failed');
            stream.end();
          },
        );
      });
      const heartbeat = setInterval(() => stream.comment(), limits.heartbeatMs);
      await new Promise<void>((resolve) => {
        response.once('close', resolve);
        signal.addEventListener('abort', () => (stream.end(), resolve()), { once: true });
      });
      clearInterval(heartbeat);
      unsubscribe();
      unwatch();
      count(principal.userId, -1);
    }),
  ];
  return { routes, listeners: () => all };
}

function topicsOf(text: string | undefined): ReadonlySet<string> | undefined {
  if (text === undefined || text === '') return undefined;
  const topics = text.split(',');
  for (const topic of topics) {
    if (!EventTopic.safeParse(topic).success) throw new GatewayError('BAD_REQUEST', `"${topic}" is not a topic`);
  }
  return new Set(topics);
}

/** One listener. When it does not read, it is cut off: it comes back and resumes, and nothing piles up here (BOUNDED). */
class EventStream {
  readonly #response: ServerResponse;
  readonly #backlogBytes: number;
  #isGathering = false;

  constructor(response: ServerResponse, backlogBytes: number) {
    this.#response = response;
    this.#backlogBytes = backlogBytes;
  }

  open(): void {
    // It ends with its connection, so it needs no chunks: the bytes of an event go out as they are, to every listener.
    this.#response.removeHeader('transfer-encoding');
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream',
      'cache-control': 'no-store',
      connection: 'close',
      'x-accel-buffering': 'no',
    });
    this.#response.flushHeaders();
  }

  send(message: Buffer): void {
    this.#write(message);
  }

  /** Tells where we stand, so that even a listener that has seen no event can resume. */
  hello(cursor: string): void {
    this.#write(`id: ${cursor}\nevent: hello\ndata: {}\n\n`);
  }

  /** What was missed is no longer known. */
  reset(cursor: string): void {
    this.#write(`id: ${cursor}\nevent: reset\ndata: {}\n\n`);
  }

  comment(): void {
    this.#write(':\n\n');
  }

  end(): void {
    this.#response.end();
  }

  readonly #leave = (): void => {
    this.#isGathering = false;
    this.#response.uncork();
  };

  #write(message: Buffer | string): void {
    if (this.#response.writableEnded || this.#response.destroyed) return;
    if (!this.#isGathering) {
      this.#isGathering = true; // What one turn brings leaves in one write.
      this.#response.cork();
      process.nextTick(this.#leave);
    }
    this.#response.write(message);
    if (this.#backlogBytes < this.#response.writableLength) this.#response.destroy();
  }
}
