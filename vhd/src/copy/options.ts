/** What the calls of every operation have in common: where files lie, how to stop, and how far it is. */

import { VhdError } from '../errors.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';

/** How far a long operation is. */
export interface Progress {
  /** Bytes looked at so far, and in all; the total may be unknown for a stream. */
  readonly doneBytes: number;
  readonly totalBytes: number | undefined;
}

/** Options of every operation. */
export interface OperationOptions {
  /** Where the files lie; the file system when left out. */
  readonly storage?: Storage;
  /** Called from time to time, at most about a hundred times a second. */
  readonly onProgress?: (progress: Progress) => void;
  /** Stops the operation: CANCELLED, and nothing is left behind. */
  readonly signal?: AbortSignal;
}

/** How an operation opens chains: where the files lie, and where parents may. */
export function chainOptions(options: OperationOptions & { readonly policy?: ChainPolicy }): {
  readonly storage: Storage;
  readonly policy: ChainPolicy;
} {
  return { storage: storageOf(options), policy: options.policy ?? {} };
}

/** The storage an operation works on. */
export function storageOf(options: OperationOptions): Storage {
  return options.storage ?? fileSystem;
}

/** Errors: CANCELLED when the caller has asked to stop. */
export function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new VhdError('CANCELLED', 'stopped by the caller', { cause: signal.reason });
}
