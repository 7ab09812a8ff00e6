/**
 * Syncs of one file. FLUSHED-IS-SAFE: after a sync that failed, nobody knows which of the bytes written before it are
 * on the storage, and the operating system may forget that they are not: the next sync would succeed and prove
 * nothing. So one failed sync fails every later one, until the image is opened again.
 */
import { VhdError } from '../errors.ts';
import type { RandomAccessFile } from './file.ts';

/** Knows whether there is anything to sync, and whether a sync can still be trusted. */
export class SyncGuard {
  /**
   * True where bytes may wait for a sync. It starts true: a process that served the file before, and was killed, may
   * have left bytes in the page cache that a guest is about to flush through us.
   */
  isDirty = true;
  readonly #file: RandomAccessFile;
  #failure: VhdError | undefined;

  constructor(file: RandomAccessFile) {
    this.#file = file;
  }

  /** Errors: IO, NO_SPACE. */
  async sync(): Promise<void> {
    this.check();
    this.isDirty = false; // Before the sync: what is written while it runs needs the next one.
    try {
      await this.#file.sync();
    } catch (cause) {
      this.isDirty = true;
      const message = `a sync of ${this.#file.path} failed, what was written since the one before may be lost`;
      this.#failure = new VhdError('IO', message, { cause });
      throw cause;
    }
  }

  /** Errors: IO, after a sync that failed. */
  check(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }
}
