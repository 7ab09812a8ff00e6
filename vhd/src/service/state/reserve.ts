/**
 * Space that is kept for a start: locks and records have to be written before a disk can be served, also where guests
 * have taken all the rest. Without it a full storage could not be started again, not even to make space in it.
 */
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A lock and a record for each of a hundred disks, at 4 KiB a file. */
const RESERVE_BYTES: number = 1 << 20;

const pathOf = (storage: string): string => join(storage, 'reserve');

/** Sets the space aside, where there is as much. */
export function takeReserve(storage: string): void {
  const path = pathOf(storage);
  if (statSync(path, { throwIfNoEntry: false })?.size === RESERVE_BYTES) return;
  try {
    writeFileSync(path, Buffer.alloc(RESERVE_BYTES), { mode: 0o600 });
  } catch {
    releaseReserve(storage); // No room for it now: the next start tries again.
  }
}

/** Gives the space back to whoever writes next. */
export function releaseReserve(storage: string): void {
  rmSync(pathOf(storage), { force: true });
}
