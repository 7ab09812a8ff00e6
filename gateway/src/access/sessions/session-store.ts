/**
 * The rows of sessions. They are written behind: what changes within a moment goes to the disk in one transaction, so that
 * a thousand people who connect at once do not wait for a thousand syncs. A session that was never opened has no row. A
 * power cut may lose that moment; the audit log has its own writer.
 */
import type { Session as ApiSession } from '../../../api/session.ts';
import { SessionPolicy } from '../../../api/session.ts';
import type { Logger } from '../../log.ts';
import type { Via } from '../../platform/rights/rights.ts';
import { ManyRows } from '../../platform/store/many-rows.ts';
import type { Store } from '../../platform/store/store.ts';
import type { SessionRow } from '../../platform/store/tables/sessions.ts';
import { iso, type TimePlace } from '../../platform/store/time.ts';
import type { LeftSession, Session, SessionFacts } from './session.ts';

const LIMITS = { writeBehindMs: 500, keptRows: 100_000 } as const;

export interface SessionFilter {
  readonly desktopId?: string | undefined;
  readonly userId?: string | undefined;
}
export class SessionStore {
  readonly #store: Store;
  readonly #log: Logger;
  readonly #rows = new ManyRows<SessionRow>((db, rows) =>
    db
      .insertInto('sessions')
      .values(rows)
      .onConflict((conflict) =>
        conflict.column('id').doUpdateSet((e) => ({
          address: e.ref('excluded.address'),
          via: e.ref('excluded.via'),
          state: e.ref('excluded.state'),
          ended_by: e.ref('excluded.ended_by'),
          live_at: e.ref('excluded.live_at'),
          ended_at: e.ref('excluded.ended_at'),
          bytes_in: e.ref('excluded.bytes_in'),
          bytes_out: e.ref('excluded.bytes_out'),
        })),
      ),
  );
  #dirty = new Map<string, Session>();
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(store: Store, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  /** Soon. */
  save(session: Session): void {
    this.#dirty.set(session.id, session);
    this.#timer ??= setTimeout(() => void this.flush(), LIMITS.writeBehindMs);
  }

  /** Now; resolves when all that was saved is written. */
  async flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const dirty = [...this.#dirty.values()].map(rowOf);
    this.#dirty = new Map();
    if (0 < dirty.length) this.#writing = this.#writing.then(() => this.#write(dirty));
    await this.#writing;
  }

  async #write(rows: readonly SessionRow[]): Promise<void> {
    try {
      await this.#store.db.transaction().execute((tx) => this.#rows.write(tx, rows));
    } catch (err) {
      this.#log.error({ err, rows: rows.length }, 'session.write-failed');
    }
  }

  /**
   * At the start: what an earlier gateway left open and can be taken up again, oldest first. What was never opened, or
   * cannot be, has ended. BOUNDED: old rows go.
   */
  async takeLeftovers(now: number): Promise<LeftSession[]> {
    const { db } = this.#store;
    const open = await db
      .selectFrom('sessions')
      .selectAll()
      .where('state', '!=', 'ended')
      .orderBy('created_at')
      .execute();
    const left = open.flatMap((row) => leftSession(row) ?? []);
    await db
      .updateTable('sessions')
      .set({ state: 'ended', ended_by: 'gateway-stopped', ended_at: now })
      .where('state', '!=', 'ended')
      .execute();
    const oldest = await db
      .selectFrom('sessions')
      .select('created_at')
      .orderBy('created_at', 'desc')
      .offset(LIMITS.keptRows)
      .limit(1)
      .executeTakeFirst();
    if (oldest !== undefined) await db.deleteFrom('sessions').where('created_at', '<=', oldest.created_at).execute();
    return left;
  }

  async get(id: string): Promise<ApiSession | undefined> {
    const row = await this.#store.db.selectFrom('sessions').selectAll().where('id', '=', id).executeTakeFirst();
    return row === undefined ? undefined : toApi(row);
  }

  /** Newest first, ended ones included. */
  async list(filter: SessionFilter, limit: number, before: TimePlace | undefined): Promise<ApiSession[]> {
    await this.flush();
    let query = this.#store.db.selectFrom('sessions').selectAll();
    if (filter.desktopId !== undefined) query = query.where('desktop_id', '=', filter.desktopId);
    if (filter.userId !== undefined) query = query.where('user_id', '=', filter.userId);
    if (before !== undefined) {
      query = query.where((e) =>
        e.or([e('created_at', '<', before.at), e.and([e('created_at', '=', before.at), e('id', '<', before.id)])]),
      );
    }
    const rows = await query.orderBy('created_at', 'desc').orderBy('id', 'desc').limit(limit).execute();
    return rows.map(toApi);
  }
}

function rowOf(session: Session): SessionRow {
  const { facts } = session;
  return {
    id: facts.id,
    desktop_id: facts.desktopId,
    desktop_name: facts.desktopName,
    kind: facts.kind,
    user_id: facts.userId,
    user_name: facts.userName,
    mode: facts.mode,
    joined_id: facts.joinedId,
    address: session.address,
    via: JSON.stringify(session.via),
    is_by_consent: facts.isByConsent ? 1 : 0,
    policy: JSON.stringify(facts.policy),
    state: session.phase.state,
    ended_by: session.end,
    created_at: facts.createdAt,
    live_at: session.liveAt,
    ended_at: session.endedAt,
    bytes_in: session.bytesIn,
    bytes_out: session.bytesOut,
  };
}

/** Undefined: an earlier gateway wrote too little of it, or it was never live. */
function leftSession(row: SessionRow): LeftSession | undefined {
  if (row.via === null || row.live_at === null) return undefined;
  const facts = {
    id: row.id,
    desktopId: row.desktop_id,
    desktopName: row.desktop_name,
    kind: row.kind as SessionFacts['kind'],
    userId: row.user_id,
    userName: row.user_name,
    mode: row.mode as SessionFacts['mode'],
    joinedId: row.joined_id,
    isByConsent: row.is_by_consent === 1,
    createdAt: row.created_at,
    policy: SessionPolicy.parse(JSON.parse(row.policy)),
  };
  const { bytes_in: bytesIn, bytes_out: bytesOut, address } = row;
  return { facts, via: JSON.parse(row.via) as Via, liveAt: row.live_at, address, bytesIn, bytesOut };
}

function toApi(row: SessionRow): ApiSession {
  return {
    id: row.id,
    desktopId: row.desktop_id,
    desktopName: row.desktop_name,
    kind: row.kind as ApiSession['kind'],
    userId: row.user_id,
    userName: row.user_name,
    mode: row.mode as ApiSession['mode'],
    state: row.state as ApiSession['state'],
    joinedId: row.joined_id,
    isDriving: false,
    address: row.address,
    createdAt: iso(row.created_at),
    liveAt: row.live_at === null ? null : iso(row.live_at),
    keptUntil: null, // What has not ended is on the roll, which knows.
    endedAt: row.ended_at === null ? null : iso(row.ended_at),
    end: row.ended_by as ApiSession['end'],
    bytesIn: row.bytes_in,
    bytesOut: row.bytes_out,
    policy: SessionPolicy.parse(JSON.parse(row.policy)),
  };
}
