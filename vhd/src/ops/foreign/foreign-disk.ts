/**
 * A file of a format that QEMU knows and we do not, as a read-only `Disk`: qemu-nbd reads it, in a process of its own that
 * ends with the connection.
 */
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { OperationOptions } from '../../copy/options.ts';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { ForeignFormat } from '../../formats/content.ts';
import { connectNbd, type NbdClient } from '../../nbd/client.ts';
import { foreignSize } from './qemu-img.ts';

/** Opens a file for reading. Errors: UNSUPPORTED (it takes data from other files), TOOL_MISSING, TOOL_FAILED, IO. */
export async function openForeignDisk(
  name: string,
  format: ForeignFormat,
  options: OperationOptions = {},
): Promise<Disk> {
  await foreignSize(name, { ...options, format });
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-nbd-'));
  const forget = (): void => fs.rmSync(folder, { recursive: true, force: true });
  try {
    const socket = path.join(folder, 'nbd');
    // With --fork it comes back when it listens; without --persistent it ends when we hang up.
    await runQemuNbd(['--fork', '--read-only', '--format', format, '--socket', socket, '--', path.resolve(name)]);
    const client = await connectNbd(`nbd+unix:///?socket=${encodeURIComponent(socket)}`);
    return readOnly(name, client, forget);
  } catch (error) {
    forget();
    throw error;
  }
}

function readOnly(name: string, client: NbdClient, onClose: () => void): Disk {
  const refuse = (): Promise<never> => Promise.reject(new VhdError('READ_ONLY', `${name} is open for reading`));
  return {
    name,
    sizeBytes: client.sizeBytes,
    isReadOnly: true,
    read: (into, offset, start, length) => client.read(into, offset, start, length),
    write: refuse,
    writeZeroes: refuse,
    trim: refuse,
    flush: () => Promise.resolve(),
    extents: async (offset, length, limit) => {
      const extents = await client.extents(offset, length, limit);
      return extents.map((extent) => (extent.isAllocated ? { ...extent, link: 0 } : extent));
    },
    close: async () => {
      await client.close();
      onClose();
    },
  };
}

/** Errors: TOOL_MISSING, TOOL_FAILED. */
function runQemuNbd(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('qemu-nbd', args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let complaint = '';
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + chunk.toString()).slice(-4096);
    });
    child.on('error', (cause) =>
      reject(new VhdError('TOOL_MISSING', 'cannot start qemu-nbd: is qemu-utils installed?', { cause })),
    );
    child.on('close', (status) => {
      if (status === 0) resolve();
      else
        reject(
          new VhdError(
            'TOOL_FAILED',
            `qemu-nbd ended with ${status ?? 'a signal'}: ${complaint.trim().replaceAll('\n', '; ')}`,
          ),
        );
    });
  });
}
