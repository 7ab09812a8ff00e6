/**
 * The audit log: append-only and hash-chained in the store (ANSWERABLE). Lines that arrive together are written in one
 * transaction, and a call returns when its line is on the disk. The newest hash is also kept in a file beside the store,
 * so that a tail that somebody deleted is missed.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { sql } from 'kysely';
import type { AuditLine } from '../../shared/audit.ts';
import type { EventHub } from '../events/hub.ts';
import type { Store } from '../store/store.ts';
import type { AuditRow } from '../store/tables/audit.ts';
import { type Anchor, type ChainLink, GENESIS, hashOf, type Verdict, verifyChain } from './chain.ts';

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
} as const;
/** Any number, the same in every gateway on one database: who holds it writes the next links. */
const PG_LOCK = 0x0a0d17;

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
}

export class AuditLog {
  readonly #store: Store;
  readonly #anchorFile: string;
  readonly #events: EventHub | undefined;
  readonly #now: () => number;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  constructor(options: AuditLogOptions) {
    this.#store = options.store;
    this.#anchorFile = path.join(options.folder, 'audit-head.json');
    this.#events = options.events;
    this.#now = options.now ?? Date.now;
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
        const rows = await this.#append(batch);
        for (const { done } of batch) done();
        for (const row of rows)
          this.#events?.publish('audit', { kind: 'line', id: String(row.seq), data: toApi(row) }, { right: 'audit' });
      } catch (cause) {
        for (const { failed } of batch) failed(cause);
      }
    }
    this.#writing = undefined;
  }

  async #append(batch: readonly Waiting[]): Promise<AuditRow[]> {
    const rows = await this.#store.db.transaction().execute(async (tx) => {
      if (this.#store.kind === 'postgres') await sql`select pg_advisory_xact_lock(${sql.lit(PG_LOCK)})`.execute(tx);
      const last = await tx
        .selectFrom('audit')
        .select(['seq', 'hash'])
        .orderBy('seq', 'desc')
        .limit(1)
        .executeTakeFirst();
      let { seq, hash } = last ?? { seq: 0, hash: GENESIS };
      const fresh = batch.map((waiting): AuditRow => {
        seq += 1;
        const row = rowOf(seq, hash, waiting);
        ({ hash } = row);
        return row;
      });
      await tx.insertInto('audit').values(fresh).execute();
      return fresh;
    });
    const newest = rows.at(-1);
    if (newest !== undefined) this.#anchor({ seq: newest.seq, hash: newest.hash });
    return rows;
  }

  #anchor(anchor: Anchor): void {
    writeFileSync(`${this.#anchorFile}.new`, JSON.stringify(anchor), { mode: 0o600 });
    renameSync(`${this.#anchorFile}.new`, this.#anchorFile);
  }

  #readAnchor(): Anchor | undefined {
    try {
      return JSON.parse(readFileSync(this.#anchorFile, 'utf8')) as Anchor;
    } catch {
      return undefined; // No line was ever written here, or the file is gone: then the chain alone must do.
    }
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
    const anchor = this.#readAnchor();
    return verifyChain(this.#links(), anchor);
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
    await this.#writing;
  }
}

/** What is hashed. */
type AuditContent = Omit<AuditLine, 'seq' | 'hash'>;

function rowOf(seq: number, previousHash: string, { at, entry }: Waiting): AuditRow {
  const detail = entry.detail ?? {};
  const isSmall = JSON.stringify(detail).length <= LIMITS.detailBytes;
  const content: AuditContent = {
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
