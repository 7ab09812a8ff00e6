/**
 * The folder of the sockets. Apart from the storage folder, because a socket's path has to fit in 107 bytes and a data
 * folder's often does not.
 */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { makePrivateFolder, SOCKET_PATH_BYTES } from '@oriel/machine';
import { VhdError } from '../../errors.ts';

/** Room for `/<id of 40>.sock` behind it, in the 107 bytes of a socket path. */
const FOLDER_BYTES = SOCKET_PATH_BYTES - 46;

/** Where the sockets of a storage folder go when nobody says: the same place at every start. */
export function defaultRunFolder(storage: string, runtimeFolder: string | undefined): string {
  const hash = createHash('sha256').update(resolve(storage)).digest('hex').slice(0, 8);
  if (runtimeFolder !== undefined && Buffer.byteLength(runtimeFolder) <= FOLDER_BYTES - 15)
    return join(runtimeFolder, `oriel-${hash}`);
  return `/tmp/oriel-${process.getuid?.() ?? 0}-${hash}`;
}

/** Makes the folder, for us alone. Errors: USAGE (too long, or somebody else's). */
export function makeRunFolder(folder: string): string {
  const path = resolve(folder);
  if (FOLDER_BYTES < Buffer.byteLength(path))
    throw new VhdError('USAGE', `run folder of more than ${FOLDER_BYTES} bytes: ${path}`);
  try {
    makePrivateFolder(path);
  } catch (cause) {
    throw new VhdError('USAGE', `run folder ${path} cannot be ours alone: ${(cause as Error).message}`, { cause });
  }
  return path;
}
