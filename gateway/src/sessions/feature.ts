/** Sessions put together: what main.ts hands in, and what it gives to the server. */
import type { AuditLog } from '../audit/audit-log.ts';
import type { Auth } from '../auth/auth.ts';
import { RelayShare } from '../display/display.ts';
import { WorkerPool } from '../display/workers/pool.ts';
import type { EventHub } from '../events/hub.ts';
import type { BoundRoute, ObjectLookup, UpgradeHandler } from '../http/bind.ts';
import type { Logger } from '../log.ts';
import type { Store } from '../store/store.ts';
import { Consoles } from '../terminal/consoles.ts';
import { Announcer } from './announcer.ts';
import { AuditLines } from './audit-lines.ts';
import { Joins } from './joins.ts';
import type { DesktopPort } from './ports.ts';
import { sessionLookup, sessionRoutes } from './routes.ts';
import { SessionStore } from './session-store.ts';
import { type SessionCaps, Sessions } from './sessions.ts';
import { sessionSocket } from './socket.ts';

export interface SessionFeatureDeps {
  readonly auth: Pick<Auth, 'again' | 'revocations'>;
  readonly audit: AuditLog;
  readonly events: EventHub;
  readonly store: Store;
  readonly log: Logger;
  readonly desktops: DesktopPort;
  readonly now?: () => number;
  readonly caps?: SessionCaps;
  readonly isTiedToAddress?: boolean;
  /** Processes that relay; 0 or absent: this one does. */
  readonly workers?: number;
  /** Where the program of a worker lies, when not beside the built gateway. */
  readonly workerEntry?: string;
}

export interface SessionFeature {
  readonly sessions: Sessions;
  readonly workers: WorkerPool | undefined;
  readonly routes: readonly BoundRoute[];
  readonly lookups: { readonly session: ObjectLookup };
  readonly upgrades: readonly UpgradeHandler[];
  /** Marks what an earlier gateway left open as ended. Once, at the start. */
  start(): Promise<void>;
  /** Tells every page and closes its socket. */
  close(): Promise<void>;
}

export function sessionFeature(deps: SessionFeatureDeps): SessionFeature {
  const { auth, log, desktops } = deps;
  const audit = new AuditLines(deps.audit, log);
  const now = deps.now ?? Date.now;
  const announcer = new Announcer(deps.events);
  const store = new SessionStore(deps.store, log);
  const limits = {
    ...(deps.caps === undefined ? {} : { caps: deps.caps }),
    ...(deps.isTiedToAddress === undefined ? {} : { isTiedToAddress: deps.isTiedToAddress }),
  };
  const sessions = new Sessions({ auth, audit, announcer, store, desktops, log, now, ...limits });
  const joins = new Joins({ sessions, announcer, now });
  const share = new RelayShare();
  const consoles = new Consoles(share);
  const workers = 0 < (deps.workers ?? 0) ? new WorkerPool(deps.workers ?? 0, deps.workerEntry) : undefined;
  return {
    sessions,
    workers,
    routes: sessionRoutes({ sessions, joins, store, announcer, now }),
    lookups: { session: sessionLookup(sessions, store) },
    upgrades: [sessionSocket({ sessions, desktops, consoles, workers, share, audit, log, now })],
    start: () => store.closeLeftovers(now()),
    close: async () => {
      joins.close();
      await sessions.close();
      workers?.close();
    },
  };
}
