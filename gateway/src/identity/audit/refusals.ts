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
  /** Networks that are told apart at once; beyond, they are counted as one. Accounts are always told apart. */
  readonly networks: number;
  /** Networks that have a line of their own about what was only counted: those that caused most. */
  readonly networksNamed: number;
  /** Kinds of refusal that the line about one cause names. */
  readonly kinds: number;
}
const LIMITS: RefusalLimits = {
  linesPerCause: 30,
  linesOfStrangers: 300,
  windowMs: 3_600_000,
  networks: 10_000,
  networksNamed: 50,
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

const ALL_OTHERS = 'others';

export class Refusals {
  readonly #write: (entry: AuditEntry) => Promise<void>;
  readonly #failed: (cause: unknown) => void;
  readonly #now: () => number;
  readonly #limits: RefusalLimits;
  /** By account. BOUNDED by how many there are; no stranger can take the place of one. */
  readonly #accounts = new Map<string, Count>();
  readonly #networks = new Map<string, Count>();
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
    const count = id === null ? this.#countOfNetwork(entry) : this.#countIn(this.#accounts, id, entry);
    if (this.#mayWrite(count, id === null)) {
      count.written += 1;
      await this.#write(entry);
      return;
    }
    this.#add(count, `${entry.action} ${entry.code ?? entry.outcome}`, 1);
  }

  #countOfNetwork(entry: AuditEntry): Count {
    const network = networkOf(entry.address ?? '-');
    const isKnown = this.#networks.has(network) || this.#networks.size < this.#limits.networks;
    return this.#countIn(this.#networks, isKnown ? network : ALL_OTHERS, entry);
  }

  #countIn(counts: Map<string, Count>, key: string, entry: AuditEntry): Count {
    const count = counts.get(key) ?? { entry, since: this.#now(), written: 0, kinds: new Map<string, number>() };
    counts.set(key, count);
    return count;
  }

  #add({ kinds }: Count, kind: string, times: number): void {
    const named = kinds.has(kind) || kinds.size < this.#limits.kinds ? kind : 'others';
    kinds.set(named, (kinds.get(named) ?? 0) + times);
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
    const over = this.#overIn(this.#accounts, isAll);
    const networks = this.#overIn(this.#networks, isAll).toSorted((a, b) => timesOf(b) - timesOf(a));
    over.push(...networks.slice(0, this.#limits.networksNamed));
    for (const count of over) await this.#write(summaryOf(count)).catch(this.#failed);
    // A line for each of ten thousand networks would push out as much as their refusals.
    const rest = networks.slice(this.#limits.networksNamed);
    if (rest.length !== 0) await this.#write(this.#summaryOfMany(rest)).catch(this.#failed);
  }

  /** Takes those out whose hour is over; gives those of which something was only counted. */
  #overIn(counts: Map<string, Count>, isAll: boolean): Count[] {
    const now = this.#now();
    const over = [...counts].filter(([, { since }]) => isAll || since + this.#limits.windowMs <= now);
    for (const [key] of over) counts.delete(key);
    return over.map(([, count]) => count).filter(({ kinds }) => kinds.size !== 0);
  }

  #summaryOfMany(counts: readonly Count[]): AuditEntry {
    const [first] = counts as [Count];
    const all: Count = { ...first, entry: { ...first.entry, address: null }, kinds: new Map() };
    for (const { kinds } of counts) for (const [kind, times] of kinds) this.#add(all, kind, times);
    const summary = summaryOf(all);
    return { ...summary, detail: { ...summary.detail, networks: counts.length } };
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

function timesOf({ kinds }: Count): number {
  return [...kinds.values()].reduce((sum, count) => sum + count, 0);
}

/** The first of them stands for all, with how often each kind was counted. */
function summaryOf(count: Count): AuditEntry {
  const detail = { times: timesOf(count), kinds: Object.fromEntries(count.kinds) };
  return { ...count.entry, target: null, requestId: null, detail };
}
