/**
 * Refusals of nobody in particular: the first few of a minute are lines of their own, the rest of the same kind from the
 * same address are counted and become one. So who knocks a million times is in the log (ANSWERABLE) and does not fill it
 * (BOUNDED).
 */
import type { AuditEntry } from './audit-log.ts';

const LIMITS = { linesPerWindow: 20, windowMs: 60_000, kinds: 10_000 } as const;

interface Count {
  readonly entry: AuditEntry;
  seen: number;
}

export class Refusals {
  readonly #write: (entry: AuditEntry) => Promise<void>;
  readonly #failed: (cause: unknown) => void;
  readonly #counts = new Map<string, Count>();
  readonly #timer: NodeJS.Timeout;

  constructor(write: (entry: AuditEntry) => Promise<void>, failed: (cause: unknown) => void) {
    this.#write = write;
    this.#failed = failed;
    this.#timer = setInterval(() => void this.flush(), LIMITS.windowMs);
    this.#timer.unref();
  }

  async write(entry: AuditEntry): Promise<void> {
    const full = `${entry.address} ${entry.action} ${entry.code}`;
    // When there are too many kinds, addresses are no longer told apart.
    const key = this.#counts.has(full) || this.#counts.size < LIMITS.kinds ? full : `${entry.action} ${entry.code}`;
    const count = this.#counts.get(key) ?? { entry, seen: 0 };
    this.#counts.set(key, count);
    count.seen += 1;
    if (count.seen <= LIMITS.linesPerWindow) await this.#write(entry);
  }

  /** Writes what was only counted, and begins a new window. */
  async flush(): Promise<void> {
    const over = [...this.#counts.values()].filter(({ seen }) => LIMITS.linesPerWindow < seen);
    this.#counts.clear();
    for (const { entry, seen } of over) {
      const times = seen - LIMITS.linesPerWindow;
      await this.#write({ ...entry, requestId: null, detail: { ...entry.detail, times } }).catch(this.#failed);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.flush();
  }
}
