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
import { Admission } from './admission.ts';
import { Announcer } from './announcer.ts';
import { AuditLines } from './audit-lines.ts';
import { Joins } from './joins.ts';
import type { DesktopPort } from './ports.ts';
import { endWhatIsRevoked } from './revoking.ts';
import { Roll, type SessionCaps } from './roll.ts';
import { sessionLookup, sessionRoutes } from './routes.ts';
import { SessionStore } from './session-store.ts';
import { Sessions } from './sessions.ts';
import { sessionSocket } from './socket.ts';
import { Steerings } from './steerings.ts';
import { TicketBox } from './ticket-box.ts';

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
  readonly admission: Admission;
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
  const roll = new Roll(deps.caps);
  const tickets = new TicketBox(now);
  const steerings = new Steerings(roll);
  const sessions = new Sessions({ roll, tickets, steerings, audit, announcer, store, log, now });
  const tied = deps.isTiedToAddress === undefined ? {} : { isTiedToAddress: deps.isTiedToAddress };
  const admission = new Admission({ roll, tickets, sessions, desktops, now, ...tied });
  const stopRevoking = endWhatIsRevoked({ auth, roll, sessions, log });
  const joins = new Joins({ roll, admission, announcer, now });
  const share = new RelayShare();
  const consoles = new Consoles(share);
  const workers = 0 < (deps.workers ?? 0) ? new WorkerPool(deps.workers ?? 0, deps.workerEntry) : undefined;
  return {
    admission,
    sessions,
    workers,
    routes: sessionRoutes({ roll, admission, sessions, steerings, joins, store, announcer, now }),
    lookups: { session: sessionLookup(roll, store) },
    upgrades: [sessionSocket({ sessions, desktops, consoles, workers, share, audit, log, now })],
    start: () => store.closeLeftovers(now()),
    close: async () => {
      stopRevoking();
      joins.close();
      await sessions.close();
      workers?.close();
    },
  };
}
