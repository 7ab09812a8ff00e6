/** One driver per run folder: two would take each other's QMP connections. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { MachineError, type OwnerLock, takeOwnerLock } from '@oriel/machine';
import { HostError } from '../../errors.ts';

/** Errors: HOST_UNREACHABLE where another driver has it, HOST_RESOURCES. */
export async function lockFolder(folder: string): Promise<OwnerLock> {
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return await takeOwnerLock(join(folder, 'driver.lock'));
  } catch (cause) {
    const why = (cause as Error).message;
    if (cause instanceof MachineError)
      throw new HostError('HOST_UNREACHABLE', `the VMs in ${folder} are driven already: ${why}`, { cause });
    throw new HostError('HOST_RESOURCES', `cannot lock ${folder}: ${why}`, { cause });
  }
}
