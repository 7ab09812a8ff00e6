/** Before the gateway serves a library it looks whether every file of it can be read. */
import type { DiskServiceClient } from '@oriel/vhd';
import { StartError } from '../../errors.ts';

export async function requireSoundLibrary(client: DiskServiceClient): Promise<void> {
  const [images, disks] = await Promise.all([client.listImages(), client.listDisks()]);
  for (const { kind, id, health } of images) {
    if (health.state === 'broken') refuse(`${kind} ${id}`, health.code, health.message);
  }
  for (const { id, state } of disks) {
    if (state.state === 'broken') refuse(`disk ${id}`, state.code, state.message);
  }
}

function refuse(what: string, code: string, message: string): never {
  throw new StartError(
    `${what} of the library is damaged (${code}: ${message}); repair it with oriel vhd repair, take it away, or start with --degraded`,
  );
}
