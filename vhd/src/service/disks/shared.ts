/** What the parts of the disk service have in common. */
import type { NbdTls } from '../../nbd/server.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Records } from '../state/records.ts';
import type { TaskBook } from '../state/task-book.ts';
import type { HostPool } from '../threads/host-pool.ts';

/** What the parts of the service share. */
export interface Shared {
  /** Where every file of the storage folder is: what is not done through it no power cut can be made in. */
  readonly storage: Storage;
  readonly runFolder: string;
  readonly records: Records;
  readonly pool: HostPool;
  readonly tasks: TaskBook;
  /** Where disks are served to other machines; absent where none are. */
  readonly remote?: { readonly host: string; readonly tls: NbdTls };
  /** A disk is served, or not any more: who follows it is told. Changes of its record tell by themselves. */
  readonly onDisk: (id: string) => void;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
}
