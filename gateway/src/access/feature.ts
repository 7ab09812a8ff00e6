/** Sessions put together: what main.ts hands in, and what it gives to the server. */

import { RelayShare } from '../../relay/rfb/rfb-session.ts';
import { Consoles } from '../../relay/serial/consoles.ts';
import { WorkerPool } from '../../relay/workers/pool.ts';
import type { AuditLog } from '../identity/audit/audit-log.ts';
import type { Auth } from '../identity/sign-in/auth.ts';
import type { Logger } from '../log.ts';
import type { BoundRoute, ObjectLookup, UpgradeHandler } from '../platform/api/bind.ts';
import type { EventHub } from '../platform/events/hub.ts';
import type { Store } from '../platform/store/store.ts';
import type { SessionCaps } from './decisions/room.ts';
import { sessionSocket } from './doors/websocket.ts';
import type { Protocols } from './protocols/protocol.ts';
import { rfbProtocol } from './protocols/rfb.ts';
import { serialProtocol } from './protocols/serial.ts';
import { Admission } from './sessions/admission.ts';
import { Announcer } from './sessions/announcer.ts';
import { AuditLines } from './sessions/audit-lines.ts';
import { Joins } from './sessions/joins.ts';
import type { DesktopPort } from './sessions/ports.ts';
import { endWhatIsRevoked } from './sessions/revoking.ts';
import { Roll } from './sessions/roll.ts';
import { sessionLookup, sessionRoutes } from './sessions/routes.ts';
import { SessionStore } from './sessions/session-store.ts';
import { Sessions } from './sessions/sessions.ts';
import { Steerings } from './sessions/steerings.ts';
import { TicketBox } from './tickets/ticket-box.ts';

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
  /** Takes up what an earlier gateway left open. Once, at the start. */
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
  const joins = new Joins({ roll, admission, announcer, steerings, now });
  const share = new RelayShare();
  const consoles = new Consoles(share);
  const workers = 0 < (deps.workers ?? 0) ? new WorkerPool(deps.workers ?? 0, deps.workerEntry) : undefined;
  const protocols: Protocols = {
    display: rfbProtocol({ share, workers, now }),
    serial: serialProtocol(consoles),
  };
  return {
    admission,
    sessions,
    workers,
    routes: sessionRoutes({ roll, admission, sessions, steerings, joins, store, announcer, now }),
    lookups: { session: sessionLookup(roll, store) },
    upgrades: [sessionSocket({ sessions, desktops, protocols })],
    start: () => sessions.takeUp(),
    close: async () => {
      stopRevoking();
      joins.close();
      await sessions.close();
      consoles.close();
      workers?.close();
    },
  };
}
