/**
 * Refusals, kept apart by who caused them: the first few of an hour are lines of their own, the rest of the same account or
 * network is counted and becomes one line. So who knocks a million times is in the log (ANSWERABLE), does not fill it
 * (BOUNDED), and pushes nothing out of it that others did.
 */
import { networkOf } from '../../platform/network/address.ts';
import type { AuditEntry } from './audit-log.ts';

export interface RefusalLimits {
  /** Lines of one account, or of one network where nobody is signed in. */
  readonly linesPerCause: number;
  /** Lines of all networks together. */
  readonly linesOfStrangers: number;
  readonly windowMs: number;
  /** Causes that are told apart at once; beyond, networks are counted as one. */
  readonly causes: number;
  /** Kinds of refusal that the line about one cause names. */
  readonly kinds: number;
}
const LIMITS: RefusalLimits = {
  linesPerCause: 30,
  linesOfStrangers: 300,
  windowMs: 3_600_000,
  causes: 10_000,
  kinds: 20,
};
/** What counting stops before a line is due: somebody who watches the log sees it within so long. */
const FLUSH_MS = 60_000;

interface Count {
  readonly entry: AuditEntry;
  /** Since when this cause is counted, ms since 1970. */
  readonly since: number;
  written: number;
  /** How often, by action and code, since the last line about it. */
  readonly kinds: Map<string, number>;
}

const STRANGERS = 'strangers';

export class Refusals {
  readonly #write: (entry: AuditEntry) => Promise<void>;
  readonly #failed: (cause: unknown) => void;
  readonly #now: () => number;
  readonly #limits: RefusalLimits;
  readonly #counts = new Map<string, Count>();
  readonly #timer: NodeJS.Timeout;
  #strangers = { since: 0, written: 0 };

  constructor(
    write: (entry: AuditEntry) => Promise<void>,
    failed: (cause: unknown) => void,
    now: () => number = Date.now,
    limits: RefusalLimits = LIMITS,
  ) {
    this.#write = write;
    this.#failed = failed;
    this.#now = now;
    this.#limits = limits;
    this.#timer = setInterval(() => void this.#endWindows(), FLUSH_MS);
    this.#timer.unref();
  }

  async write(entry: AuditEntry): Promise<void> {
    const { id } = entry.actor;
    const count = this.#countOf(id === null ? `network ${networkOf(entry.address ?? '-')}` : `account ${id}`, entry);
    if (this.#mayWrite(count, id === null)) {
      count.written += 1;
      await this.#write(entry);
      return;
    }
    const kind = `${entry.action} ${entry.code ?? entry.outcome}`;
    const named = count.kinds.has(kind) || count.kinds.size < this.#limits.kinds ? kind : 'others';
    count.kinds.set(named, (count.kinds.get(named) ?? 0) + 1);
  }

  #countOf(cause: string, entry: AuditEntry): Count {
    const key = this.#counts.has(cause) || this.#counts.size < this.#limits.causes ? cause : STRANGERS;
    const count = this.#counts.get(key) ?? { entry, since: this.#now(), written: 0, kinds: new Map<string, number>() };
    this.#counts.set(key, count);
    return count;
  }

  #mayWrite({ written }: Count, isStranger: boolean): boolean {
    if (this.#limits.linesPerCause <= written) return false;
    if (!isStranger) return true;
    const now = this.#now();
    if (this.#strangers.since + this.#limits.windowMs <= now) this.#strangers = { since: now, written: 0 };
    if (this.#limits.linesOfStrangers <= this.#strangers.written) return false;
    this.#strangers.written += 1;
    return true;
  }

  /** Writes what was only counted for causes whose hour is over, or for all. */
  async #endWindows(isAll = false): Promise<void> {
    const now = this.#now();
    for (const [key, count] of this.#counts) {
      if (!isAll && now < count.since + this.#limits.windowMs) continue;
      this.#counts.delete(key);
      if (count.kinds.size !== 0) await this.#write(summaryOf(count)).catch(this.#failed);
    }
  }

  /** Writes what was only counted, and begins anew. */
  async flush(): Promise<void> {
    await this.#endWindows(true);
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}

function summaryOf({ entry, kinds }: Count): AuditEntry {
  const times = [...kinds.values()].reduce((sum, count) => sum + count, 0);
  return { ...entry, target: null, requestId: null, detail: { times, kinds: Object.fromEntries(kinds) } };
}
