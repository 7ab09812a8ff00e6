/**
 * The names that cross the driver interface, branded so that two of them cannot be mixed up. Each has one constructor
 * that checks it; nothing else makes one.
 */
import { HostError } from './errors.ts';

/** A VM on a host. Becomes a folder name and a QEMU id, so its alphabet is small. */
export type VmId = string & { readonly __brand: 'VmId' };
/** A disk, CD drive or network card inside one VM. Becomes part of a QEMU id. */
export type DeviceId = string & { readonly __brand: 'DeviceId' };
/** A long verb. The same after a restart of whoever holds the driver. */
export type TaskId = string & { readonly __brand: 'TaskId' };
/** A place in a driver's stream of events. Grows, also across restarts. */
export type Cursor = number & { readonly __brand: 'Cursor' };

const VM_ID = /^[a-z0-9][a-z0-9-]{0,35}$/;
const DEVICE_ID = /^[a-z][a-z0-9-]{0,19}$/;
const TASK_ID = /^[a-z0-9][a-z0-9.-]{0,63}$/;

export function vmId(text: string): VmId {
  if (!VM_ID.test(text))
    throw new HostError('SPEC_INVALID', `vm id ${JSON.stringify(text)} is not 1 to 36 of a-z 0-9 -`);
  return text as VmId;
}

export function deviceId(text: string): DeviceId {
  if (!DEVICE_ID.test(text)) {
    throw new HostError(
      'SPEC_INVALID',
      `device id ${JSON.stringify(text)} is not 1 to 20 of a-z 0-9 -, a letter first`,
    );
  }
  return text as DeviceId;
}

export function taskId(text: string): TaskId {
  if (!TASK_ID.test(text)) throw new HostError('SPEC_INVALID', `task id ${JSON.stringify(text)} is malformed`);
  return text as TaskId;
}

export function cursor(value: number): Cursor {
  if (!Number.isSafeInteger(value) || value < 0)
    throw new HostError('SPEC_INVALID', `cursor ${value} is not a whole number`);
  return value as Cursor;
}
