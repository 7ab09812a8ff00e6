/**
 * What a backup worker is told to do, and what it says: one order on its standard input, lines of JSON on its output. It is
 * a process of its own: what is read from a repository is read there, its memory goes with it, and it may be killed.
 */
import type {
  Damage,
  Manifest,
  NewRepositoryOptions,
  PointRef,
  PointToTake,
  Replicated,
  S3Options,
  Swept,
} from '@oriel/vhd/restore-points';

/** Where a repository is. Secrets come with the order and are kept nowhere. */
export type Place =
  | { readonly kind: 'folder'; readonly path: string }
  | ({ readonly kind: 's3'; readonly accessKeyId?: string } & Pick<
      S3Options,
      'bucket' | 'prefix' | 'endpoint' | 'region'
    >);

/** Dates are ISO 8601. */
export type TakeOrder = Omit<PointToTake, 'createdAt' | 'keptUntil'> & {
  readonly createdAt: string;
  readonly keptUntil: string | null;
};

export interface Orders {
  readonly create: { readonly asks: Omit<NewRepositoryOptions, 'secret'>; readonly gives: RepositoryFacts };
  readonly look: { readonly asks: Record<never, never>; readonly gives: RepositoryFacts };
  readonly list: { readonly asks: { readonly vmId?: string }; readonly gives: readonly Listed[] };
  readonly take: { readonly asks: { readonly point: TakeOrder }; readonly gives: Manifest };
  readonly verify: {
    readonly asks: { readonly point: PointRef; readonly sample?: number };
    readonly gives: readonly Damage[];
  };
  readonly drop: { readonly asks: { readonly point: PointRef }; readonly gives: null };
  /** Into another repository. */
  readonly replicate: {
    readonly asks: { readonly to: Reach; readonly vmId?: string };
    readonly gives: Replicated;
  };
  readonly sweep: { readonly asks: { readonly isDryRun: boolean }; readonly gives: Swept };
  /** Writes the content of a disk of a restore point into an empty disk that is served at `uri`. */
  readonly fill: {
    readonly asks: { readonly point: PointRef; readonly diskId: string; readonly uri: string };
    readonly gives: null;
  };
  readonly export: {
    readonly asks: { readonly point: PointRef; readonly folder: string };
    readonly gives: readonly string[];
  };
}

export interface RepositoryFacts {
  readonly id: string;
  readonly form: 'vhd' | 'container';
  readonly compression: 'none' | 'zstd';
  readonly isEncrypted: boolean;
}

/** A restore point as it lies there; one whose manifest cannot be read is listed with the reason. */
export type Listed =
  | { readonly point: PointRef; readonly manifest: Manifest; readonly storedBytes: number }
  | { readonly point: PointRef; readonly problem: string };

export type OrderName = keyof Orders;

/** Where a repository is, and what opens it. */
export type Reach = Pick<Order, 'place' | 'secret' | 'secretAccessKey'>;

export interface Order<Name extends OrderName = OrderName> {
  readonly do: Name;
  readonly place: Place;
  /** Of an encrypted repository, base64. */
  readonly secret: string | null;
  /** To the access key of a bucket. */
  readonly secretAccessKey?: string | null;
  readonly asks: Orders[Name]['asks'];
}

/** What the worker says. Of several results or errors, the first counts. */
export type Said =
  | { readonly progress: number | null }
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly message: string } };
