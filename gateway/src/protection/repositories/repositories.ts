/** Repositories: rows of the store, with the secret that opens each, and what the worker is told of them. */
import { isVhdError } from '@oriel/vhd';
import type { Kysely } from 'kysely';
import { BACKUP_LIMITS, type Repository, type RepositoryCreate, RepositoryPlace } from '../../../api/backup.ts';
import type { ErrorCode } from '../../../api/errors.ts';
import { GatewayError } from '../../errors.ts';
import { newId } from '../../platform/secrets/secrets.ts';
import type { Vault } from '../../platform/secrets/vault.ts';
import type { Database } from '../../platform/store/database.ts';
import { uniqueOr } from '../../platform/store/store.ts';
import type { RepositoryRow } from '../../platform/store/tables/backups.ts';
import { iso } from '../../platform/store/time.ts';
import type { Order, OrderName, Orders, Place, Reach } from '../work/orders.ts';
import type { RunWorker, WorkerOptions } from '../work/run-worker.ts';

export interface RepositoriesOptions {
  readonly db: Kysely<Database>;
  readonly vault: Vault;
  readonly work: RunWorker;
  readonly now: () => number;
}

export class Repositories {
  readonly #options: RepositoriesOptions;

  constructor(options: RepositoriesOptions) {
    this.#options = options;
  }

  async list(): Promise<Repository[]> {
    const rows = await this.#options.db.selectFrom('repositories').selectAll().orderBy('name').execute();
    return Promise.all(rows.map((row) => this.#viewOf(row)));
  }

  async get(id: string): Promise<Repository> {
    return this.#viewOf(await this.require(id));
  }

  /** Errors: NOT_FOUND. */
  async require(id: string): Promise<RepositoryRow> {
    const row = await this.#options.db.selectFrom('repositories').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) throw new GatewayError('NOT_FOUND', `there is no repository ${id}`);
    return row;
  }

  async create(asked: RepositoryCreate): Promise<Repository> {
    const { db, vault, work, now } = this.#options;
    const rows = await db.selectFrom('repositories').select(['name', 'place']).execute();
    if (BACKUP_LIMITS.repositories <= rows.length)
      throw new GatewayError('TOO_MANY', `there are ${rows.length} repositories already`);
    // Before a place is made one: that could not be taken back.
    if (rows.some(({ name }) => name === asked.name))
      throw new GatewayError('ALREADY_EXISTS', `there is a repository ${asked.name} already`);
    const id = newId();
    const { place, form, compression, secretAccessKey = null } = asked;
    const secret = asked.passphrase === undefined ? null : Buffer.from(asked.passphrase, 'utf8').toString('base64');
    const order: Reach = { place: placeFrom(place), secret, secretAccessKey };
    const facts = await asRefusal(
      asked.how === 'open'
        ? work({ ...order, do: 'look', asks: {} })
        : work({ ...order, do: 'create', asks: { compression, ...(form === undefined ? {} : { form }) } }),
    );
    const passphrase = facts.isEncrypted ? secret : null;
    const hasSecret = passphrase !== null || secretAccessKey !== null;
    const sealed: Secrets | undefined = hasSecret ? { passphrase, secretAccessKey } : undefined;
    const row: RepositoryRow = {
      id,
      name: asked.name,
      place: JSON.stringify(place),
      secret: sealed === undefined ? null : vault.seal(JSON.stringify(sealed), `repository ${id}`),
      own_id: facts.id,
      form: facts.form,
      compression: facts.compression,
      is_encrypted: facts.isEncrypted ? 1 : 0,
      revision: 1,
      created_at: now(),
    };
    await db
      .insertInto('repositories')
      .values(row)
      .execute()
      .catch(uniqueOr('that repository is known already, under another name'));
    return this.#viewOf(row);
  }

  /** Errors: CONFLICT while a job uses it. */
  async forget(id: string): Promise<void> {
    const { db } = this.#options;
    const { name } = await this.require(id);
    const jobs = await db.selectFrom('backup_jobs').select('name').where('repository_id', '=', id).execute();
    if (0 < jobs.length)
      throw new GatewayError('CONFLICT', `repository ${name} is used by ${jobs.map((job) => job.name).join(', ')}`);
    await db.deleteFrom('repositories').where('id', '=', id).execute();
  }

  /** Has a worker do something in a repository. Errors: in the words of the API. */
  async order<Name extends OrderName>(
    id: string,
    name: Name,
    asks: Orders[Name]['asks'],
    options: WorkerOptions = {},
  ): Promise<Orders[Name]['gives']> {
    const order: Order<Name> = { do: name, ...(await this.reach(id)), asks };
    return asRefusal(this.#options.work(order, options));
  }

  /** Where a repository is and what opens it, for a worker. Errors: NOT_FOUND; CONFLICT where the secret has to be given again. */
  async reach(id: string): Promise<Reach> {
    const row = await this.require(id);
    const none: Secrets = { passphrase: null, secretAccessKey: null };
    const { passphrase, secretAccessKey } =
      row.secret === null ? none : (JSON.parse(this.#options.vault.open(row.secret, `repository ${id}`)) as Secrets);
    return { place: placeFrom(placeOf(row)), secret: passphrase, secretAccessKey };
  }

  async #viewOf(row: RepositoryRow): Promise<Repository> {
    const { count, bytes } = await this.#options.db
      .selectFrom('restore_points')
      .select((e) => [e.fn.countAll<number>().as('count'), e.fn.sum<number | null>('stored_bytes').as('bytes')])
      .where('repository_id', '=', row.id)
      .executeTakeFirstOrThrow();
    return {
      id: row.id,
      name: row.name,
      place: placeOf(row),
      form: row.form === 'vhd' ? 'vhd' : 'container',
      compression: row.compression === 'zstd' ? 'zstd' : 'none',
      isEncrypted: row.is_encrypted === 1,
      pointCount: Number(count),
      storedBytes: Number(bytes ?? 0),
      createdAt: iso(row.created_at),
      revision: row.revision,
    };
  }
}

/** What opens a repository, as it is sealed. */
interface Secrets {
  /** base64. */
  readonly passphrase: string | null;
  readonly secretAccessKey: string | null;
}

/** As a worker is told it: without what is not given. */
const placeFrom = (place: RepositoryPlace): Place => JSON.parse(JSON.stringify(place)) as Place;

/** The folder of a repository that is one. */
export function folderOf(row: RepositoryRow): string | undefined {
  const place = placeOf(row);
  return place.kind === 'folder' ? place.path : undefined;
}

const placeOf = ({ place }: RepositoryRow): RepositoryPlace => RepositoryPlace.parse(JSON.parse(place));

const CODES: Readonly<Record<string, ErrorCode>> = {
  NOT_FOUND: 'UNPROCESSABLE',
  EXISTS: 'ALREADY_EXISTS',
  NOT_EMPTY: 'CONFLICT',
  SEALED: 'CONFLICT',
  NO_SPACE: 'NO_SPACE',
  SERVICE: 'UNAVAILABLE',
  IO: 'UNAVAILABLE',
  READ_ONLY: 'UNAVAILABLE',
};

/** What a worker refuses, with its reason: who uses repositories knows their places. */
async function asRefusal<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (cause) {
    if (!isVhdError(cause)) throw cause;
    throw new GatewayError(CODES[cause.code] ?? 'UNPROCESSABLE', cause.message, { cause });
  }
}
