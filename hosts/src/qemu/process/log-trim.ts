/**
 * Logs of VMs, and a number on them (BOUNDED): QEMU and the guest's serial port append for ever, so a log that has grown
 * too long is cut here. Both are opened with O_APPEND by their writers, so what is written after the cut is at the start.
 */
import { open, stat, truncate, writeFile } from 'node:fs/promises';

/** Of each log, and of what was cut off it. */
export const LOG_BYTES = 1_048_576;

export async function trimLog(path: string, maxBytes: number = LOG_BYTES): Promise<boolean> {
  const info = await stat(path).catch(() => undefined);
  if (info === undefined || info.size <= maxBytes) return false;
  await writeFile(`${path}.old`, await tailOf(path, maxBytes), { mode: 0o600 });
  await truncate(path, 0);
  return true;
}

/** The last bytes of a log, the part cut off before included. */
export async function readLog(path: string, maxBytes: number): Promise<Uint8Array> {
  const current = await tailOf(path, maxBytes);
  if (maxBytes <= current.byteLength) return current;
  const older = await tailOf(`${path}.old`, maxBytes - current.byteLength);
  return Buffer.concat([older, current]);
}

/** The last bytes of the file itself. */
export async function tailOf(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r').catch(() => undefined);
  if (file === undefined) return new Uint8Array();
  try {
    const { size } = await file.stat();
    const length = Math.min(size, maxBytes);
    const buffer = Buffer.alloc(length);
    const { bytesRead } = await file.read(buffer, 0, length, size - length);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
