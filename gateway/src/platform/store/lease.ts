/**
 * One gateway per PostgreSQL database. Revocations, live events and sessions stay inside a gateway's process: a second one on
 * the same database would let in whom the first has just thrown out (TICKETED). So a gateway holds a lease, an advisory lock
 * that lasts as long as its connection; who finds it taken does not start, and who loses it to another ends.
 * (With SQLite the lock on the data folder does the same.)
 */
import pg from 'pg';
import { StartError } from '../../errors.ts';

/** Any number, the same in every gateway: "oriel" on a telephone. */
const LOCK = 67_435;
const LIMITS = { connectMs: 5_000, againMs: 1_000 } as const;

export interface Lease {
  close(): Promise<void>;
}

/** `lost` is called once, when the connection broke and another gateway took the lease meanwhile. */
export async function takeLease(databaseUrl: string, lost: () => void): Promise<Lease> {
  const holder = new Holder(databaseUrl, lost);
  if (!(await holder.take())) {
    throw new StartError(
      'another gateway runs on this database; stop it first, or give this one a database of its own',
    );
  }
  return holder;
}

class Holder implements Lease {
  readonly #url: string;
  readonly #lost: () => void;
  #client: pg.Client | undefined;
  #again: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(url: string, lost: () => void) {
    this.#url = url;
    this.#lost = lost;
  }

  /** False: another has it. */
  async take(): Promise<boolean> {
    const client = new pg.Client({
      connectionString: this.#url,
      connectionTimeoutMillis: LIMITS.connectMs,
      keepAlive: true,
    });
    client.on('error', () => undefined); // 'end' follows.
    await client.connect();
    const { rows } = await client.query<{ taken: boolean }>('select pg_try_advisory_lock($1) as taken', [LOCK]);
    if (rows[0]?.taken !== true) {
      await client.end();
      return false;
    }
    this.#client = client;
    client.once('end', () => this.#broken());
    return true;
  }

  /** The database went away, or only the connection. Whoever has the lease when it is back is the gateway. */
  #broken(): void {
    if (this.#isClosed) return;
    this.#again = setTimeout(() => {
      this.take().then(
        (isOurs) => {
          if (this.#isClosed) void this.#client?.end();
          else if (!isOurs) this.#lost();
        },
        () => this.#broken(),
      );
    }, LIMITS.againMs);
    this.#again.unref();
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#again);
    await this.#client?.end();
  }
}
