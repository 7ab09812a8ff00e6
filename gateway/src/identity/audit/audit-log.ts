/**
 * The audit log: append-only and hash-chained in the store (ANSWERABLE). Lines that arrive together are written in one
 * transaction, and a call returns when its line is on the disk. The newest hash is also kept in a file beside the store,
 * so that a tail that somebody deleted is missed.
 */
import { type Kysely, sql } from 'kysely';
import type { AuditLine } from '../../../api/audit.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import type { Database } from '../../platform/store/database.ts';
import { ManyRows } from '../../platform/store/many-rows.ts';
import type { Store } from '../../platform/store/store.ts';
import type { AuditRow } from '../../platform/store/tables/audit.ts';
import { Anchor } from './anchor.ts';
import { type ChainLink, type ChainPoint, GENESIS, hashOf, PRUNE_ACTION, type Verdict, verifyChain } from './chain.ts';

export interface Actor {
  readonly id: string | null;
  readonly name: string;
  /** `browser`, `token`, `local`, `ticket`, or `-` for nobody. */
  readonly via: string;
}
/** What the gateway does of its own accord. */
export const GATEWAY_ACTOR: Actor = { id: null, name: 'gateway', via: 'local' };

export interface AuditEntry {
  readonly actor: Actor;
  /** A route's id, or `noun.verb` for what is not a request: `session.end`. */
  readonly action: string;
  readonly target?: string | null;
  readonly outcome: 'ok' | 'refused' | 'failed';
  readonly code?: string | null;
  readonly address?: string | null;
  readonly requestId?: string | null;
  /** Small, and never a secret. */
  readonly detail?: Readonly<Record<string, unknown>>;
}

export interface AuditFilter {
  readonly actorId?: string | undefined;
  readonly action?: string | undefined;
  readonly target?: string | undefined;
  readonly outcome?: string | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

const LIMITS = {
  detailBytes: 4_096,
  targetChars: 256,
  linesPerWrite: 500,
  linesPerRead: 1_000,
  waiting: 20_000,
  /** Let go in one transaction. */
  linesPerPrune: 10_000,
  pruneEveryMs: 3_600_000,
} as const;

/** Any number: on PostgreSQL who holds it writes the next links. */
const PG_LOCK = 0x0a0d17;

/** BOUNDED: what is kept. Generous: about a kilobyte a line with its indexes. */
export interface AuditRetention {
  readonly days: number;
  readonly lines: number;
}
export const AUDIT_RETENTION: AuditRetention = { days: 730, lines: 5_000_000 };
const DAY_MS = 86_400_000;

interface Waiting {
  readonly at: number;
  readonly entry: AuditEntry;
  readonly done: () => void;
  readonly failed: (cause: unknown) => void;
}

export interface AuditLogOptions {
  readonly store: Store;
  /** Folder of the anchor file. */
  readonly folder: string;
  readonly events?: EventHub;
  readonly now?: () => number;
  readonly retention?: AuditRetention;
}

export class AuditLog {
  readonly #store: Store;
  readonly #anchor: Anchor;
  readonly #retention: AuditRetention;
  readonly #rows = new ManyRows<AuditRow>((db, rows) => db.insertInto('audit').values(rows));
  #pruner: NodeJS.Timeout | undefined;
  readonly #events: EventHub | undefined;
  readonly #now: () => number;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(options: AuditLogOptions) {
    this.#store = options.store;
    this.#anchor = new Anchor(options.folder);
    this.#events = options.events;
    this.#now = options.now ?? Date.now;
    this.#retention = options.retention ?? AUDIT_RETENTION;
  }

  /** Appends a line; resolves when it is durable. */
  write(entry: AuditEntry): Promise<void> {
    return new Promise((done, failed) => {
      if (LIMITS.waiting <= this.#waiting.length) {
        failed(new Error(`${LIMITS.waiting} audit lines wait already`));
        return;
      }
      this.#waiting.push({ at: this.#now(), entry, done, failed });
      this.#writing ??= this.#drain();
    });
  }

  async #drain(): Promise<void> {
    // One turn later, so that lines of the same turn go together.
    await Promise.resolve();
    while (this.#waiting.length !== 0) {
      const batch = this.#waiting.splice(0, LIMITS.linesPerWrite);
      try {
        const lines = await this.#append(batch);
        for (const { done } of batch) done();
        for (const data of lines)
          this.#events?.publish('audit', { kind: 'line', id: String(data.seq), data }, { right: 'audit' });
      } catch (cause) {
        for (const { failed } of batch) failed(cause);
      }
    }
    this.#writing = undefined;
  }

  async #append(batch: readonly Waiting[]): Promise<AuditLine[]> {
    const lines = await this.#store.db.transaction().execute(async (tx) => {
      if (this.#store.kind === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(PG_LOCK)})`.execute(tx);
      let { seq, hash } = await this.#newest(tx);
      const rows: AuditRow[] = [];
      const fresh = batch.map((waiting): AuditLine => {
        seq += 1;
        const content = contentOf(waiting);
        const row = rowOf(seq, hash, content);
        ({ hash } = row);
        rows.push(row);
        return { seq, ...content, hash };
      });
      await this.#rows.write(tx, rows);
      return fresh;
    });
    const newest = lines.at(-1);
    if (newest !== undefined) this.#anchor.write({ seq: newest.seq, hash: newest.hash });
    return lines;
  }

  async #newest(db: Kysely<Database>): Promise<ChainPoint> {
    return (
      (await db.selectFrom('audit').select(['seq', 'hash']).orderBy('seq', 'desc').limit(1).executeTakeFirst()) ??
      GENESIS
    );
  }

  /** Every hour: lets go of what is older, or more, than is kept. */
  keepPruning(failed: (cause: unknown) => void): void {
    const run = (): void => void this.prune().catch(failed);
    run();
    this.#pruner = setInterval(run, LIMITS.pruneEveryMs);
    this.#pruner.unref();
  }

  /**
   * BOUNDED: lets go of old lines. A line of the chain says which they were, and the hash of the newest of them is kept:
   * the rest can be verified from there. What should last longer is exported before (`oriel audit export`).
   */
  async prune(): Promise<void> {
    const { db } = this.#store;
    const goal = await this.#lastToPrune(); // Once: each step adds a line, which would move it.
    for (let start = await this.#start(); start.seq < goal; start = await this.#start()) {
      const last = Math.min(goal, start.seq + LIMITS.linesPerPrune);
      const through = await db.selectFrom('audit').select(['seq', 'hash']).where('seq', '=', last).executeTakeFirst();
      if (through === undefined) return; // Somebody took lines out: `verify` says so, and needs the rest to say it.
      await this.write({
        actor: GATEWAY_ACTOR,
        action: PRUNE_ACTION,
        outcome: 'ok',
        detail: { through: through.seq, hash: through.hash },
      });
      await db.transaction().execute(async (tx) => {
        await tx.deleteFrom('audit').where('seq', '<=', through.seq).execute();
        await tx
          .insertInto('audit_start')
          .values({ id: 1, ...through })
          .onConflict((conflict) => conflict.column('id').doUpdateSet(through))
          .execute();
      });
    }
  }

  /** Never the newest line: the chain goes on from it. */
  async #lastToPrune(): Promise<number> {
    const { db } = this.#store;
    const newest = await this.#newest(db);
    const { seq: old } = await db
      .selectFrom('audit')
      .select((lines) => lines.fn.max('seq').as('seq'))
      .where('at', '<', this.#now() - this.#retention.days * DAY_MS)
      .executeTakeFirstOrThrow();
    return Math.min(newest.seq - 1, Math.max(Number(old ?? 0), newest.seq - this.#retention.lines));
  }

  async #start(): Promise<ChainPoint> {
    return (
      (await this.#store.db.selectFrom('audit_start').select(['seq', 'hash']).limit(1).executeTakeFirst()) ?? GENESIS
    );
  }

  /** Newest first. `before` is a sequence number. */
  async list(filter: AuditFilter, limit: number, before?: number): Promise<AuditLine[]> {
    let query = this.#filtered(filter).orderBy('seq', 'desc').limit(limit);
    if (before !== undefined) query = query.where('seq', '<', before);
    return (await query.execute()).map(toApi);
  }

  /** Oldest first, in pieces, so that a long log does not fill the memory. */
  async *export(filter: AuditFilter): AsyncGenerator<AuditLine> {
    for await (const row of this.#walk(filter)) yield toApi(row);
  }

  async verify(): Promise<Verdict> {
    await this.#writing;
    return verifyChain(this.#links(), { start: await this.#start(), anchor: this.#anchor.read() });
  }

  async *#links(): AsyncGenerator<ChainLink> {
    for await (const row of this.#walk({})) {
      yield { seq: row.seq, line: row.line, hash: row.hash, hasTrueCopies: hasTrueCopies(row) };
    }
  }

  async *#walk(filter: AuditFilter): AsyncGenerator<AuditRow> {
    let after = 0;
    for (;;) {
      const rows = await this.#filtered(filter)
        .where('seq', '>', after)
        .orderBy('seq')
        .limit(LIMITS.linesPerRead)
        .execute();
      yield* rows;
      const last = rows.at(-1);
      if (last === undefined || rows.length < LIMITS.linesPerRead) return;
      after = last.seq;
    }
  }

  #filtered(filter: AuditFilter) {
    let query = this.#store.db.selectFrom('audit').selectAll();
    if (filter.actorId !== undefined) query = query.where('actor_id', '=', filter.actorId);
    if (filter.action !== undefined) query = query.where('action', '=', filter.action);
    if (filter.target !== undefined) query = query.where('target', '=', filter.target);
    if (filter.outcome !== undefined) query = query.where('outcome', '=', filter.outcome);
    if (filter.since !== undefined) query = query.where('at', '>=', Date.parse(filter.since));
    if (filter.until !== undefined) query = query.where('at', '<', Date.parse(filter.until));
    return query;
  }

  /** Waits until every line that was handed in is durable. */
  async close(): Promise<void> {
    clearInterval(this.#pruner);
    await this.#writing;
    this.#anchor.close();
  }
}

/** What is hashed. */
type AuditContent = Omit<AuditLine, 'seq' | 'hash'>;

function contentOf({ at, entry }: Waiting): AuditContent {
  const detail = entry.detail ?? {};
  const isSmall = JSON.stringify(detail).length <= LIMITS.detailBytes;
  return {
    at: new Date(at).toISOString(),
    actor: entry.actor,
    action: entry.action,
    target: entry.target?.slice(0, LIMITS.targetChars) ?? null,
    outcome: entry.outcome,
    code: entry.code ?? null,
    address: entry.address ?? null,
    requestId: entry.requestId ?? null,
    detail: isSmall ? detail : { tooLarge: true },
  };
}

function rowOf(seq: number, previousHash: string, content: AuditContent): AuditRow {
  const line = JSON.stringify(content);
  return { seq, line, hash: hashOf(previousHash, seq, line), ...copiesOf(content) };
}

function copiesOf(content: AuditContent): Omit<AuditRow, 'seq' | 'line' | 'hash'> {
  return {
    at: Date.parse(content.at),
    actor_id: content.actor.id,
    action: content.action,
    target: content.target,
    outcome: content.outcome,
  };
}

function hasTrueCopies(row: AuditRow): boolean {
  try {
    const copies = copiesOf(JSON.parse(row.line) as AuditContent);
    return Object.entries(copies).every(([key, value]) => row[key as keyof AuditRow] === value);
  } catch {
    return false; // Not even JSON any more.
  }
}

function toApi(row: AuditRow): AuditLine {
  return { seq: row.seq, ...(JSON.parse(row.line) as AuditContent), hash: row.hash };
}
