/**
 * A file of a format that QEMU knows and we do not, as a read-only `Disk`: qemu-nbd reads it, in a process of its own that
 * ends with the connection.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import type { ForeignFormat } from '../../formats/content.ts';
import { connectNbd, type NbdClient } from '../../nbd/client.ts';
import { type ForeignSource, foreignSize, runTool } from './qemu-img.ts';

/** Opens a file for reading. Errors: UNSUPPORTED (it takes data from other files), TOOL_MISSING, TOOL_FAILED, IO. */
export async function openForeignDisk(
  name: string,
  format: ForeignFormat,
  options: Omit<ForeignSource, 'format'> = {},
): Promise<Disk> {
  const { sizeBytes, files } = await foreignSize(name, { ...options, format });
  const file = path.resolve(name);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-nbd-'));
  const forget = (): void => fs.rmSync(folder, { recursive: true, force: true });
  try {
    const socket = path.join(folder, 'nbd');
    // Without --persistent it ends when we hang up.
    const args = ['--read-only', '--format', format, '--socket', socket, '--', file];
    const tool = runTool(
      'qemu-nbd',
      args,
      { reads: files, writes: [folder], sizeBytes: sizeBytes + READING_BYTES },
      {},
    );
    const client = await connectWhenUp(socket, tool);
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

/** What the limit of time is reckoned from beside the disk's size: who reads it may take two weeks. */
const READING_BYTES = 2 ** 40;
const POLL_MS = 10;

/** Errors: TOOL_MISSING, TOOL_FAILED where the tool has ended instead. */
async function connectWhenUp(socket: string, tool: Promise<unknown>): Promise<NbdClient> {
  let isEnded = false;
  const end = (): void => {
    isEnded = true;
  };
  tool.then(end, end);
  const uri = `nbd+unix:///?socket=${encodeURIComponent(socket)}`;
  for (;;) {
    try {
      if (fs.existsSync(socket)) return await connectNbd(uri);
    } catch (cause) {
      if (isEnded) throw cause; // It was up, and gone before we came.
    }
    if (isEnded) {
      await tool;
      throw new VhdError('TOOL_FAILED', 'qemu-nbd ended before it could be asked');
    }
    await delay(POLL_MS);
  }
}
