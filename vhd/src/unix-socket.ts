/** A unix socket that only our own account can open, with this package's errors. */
import type { Server } from 'node:net';
import { listenPrivately, MachineError, type MachineErrorCode } from '@oriel/machine';
import { VhdError, type VhdErrorCode } from './errors.ts';

const CODES: Partial<Record<MachineErrorCode, VhdErrorCode>> = {
  PATH_TOO_LONG: 'USAGE',
  IN_USE: 'EXISTS',
  NOT_PRIVATE: 'EXISTS',
};

/** Errors: USAGE (a path of more than 107 bytes), EXISTS (somebody listens there, or it is no socket), IO. */
export async function listenOnUnix(server: Server, path: string): Promise<void> {
  try {
    await listenPrivately(server, path);
  } catch (cause) {
    const code = (cause instanceof MachineError ? CODES[cause.code] : undefined) ?? 'IO';
    throw new VhdError(code, `cannot listen on ${path}: ${(cause as Error).message}`, { cause });
  }
}
