/** One service per storage folder, which no other account may enter. */
import { chmodSync, mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { MachineError, ownerOf, takeOwnerLock } from '@oriel/machine';
import { VhdError } from '../../errors.ts';
import { fileError } from '../../storage/file.ts';
import { releaseReserve } from './reserve.ts';

/** Takes the lock; the result gives it back. Errors: LOCKED (the message says who), READ_ONLY, NO_SPACE, IO. */
export async function lockStorage(storage: string, socketPath: string): Promise<() => void> {
  const file = join(storage, 'service.lock');
  try {
    mkdirSync(storage, { recursive: true, mode: 0o700 });
    close(storage);
    const owner = await ownerOf(file);
    if (owner === undefined) releaseReserve(storage); // Nobody serves the folder: what is reserved in it is for us.
    const lock = await takeOwnerLock(file, { socketPath });
    return () => lock.release();
  } catch (cause) {
    if (!(cause instanceof MachineError)) throw fileError(cause, `cannot lock ${storage}`);
    throw new VhdError('LOCKED', `${storage} is served by another process: ${cause.message}`, { cause });
  }
}

/** A folder that was made before may be open to others. */
function close(storage: string): void {
  const { uid, mode } = statSync(storage);
  if (uid === process.getuid?.() && (mode & 0o077) !== 0) chmodSync(storage, 0o700);
}
