/**
 * Formats that qemu-img knows and we do not: qcow2, VMDK, VHDX and more. qemu-img never sees a VHD file, only our NBD
 * export of the disk, so a chain converts correctly. It is started with a list of arguments, without a shell, and with
 * absolute paths, which it cannot take for options or protocols.
 */

import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openChain } from '../../chain/open.ts';
import type { OperationOptions } from '../../copy/options.ts';
import type { Disk } from '../../disk.ts';
import type { ForeignFormat } from '../../formats/content.ts';
import { placeOf } from '../../storage/new-file.ts';
import { fileSystem, folderOf } from '../../storage/storage.ts';
import { removeAtExit, temporaryName } from '../../storage/temporary.ts';
import { checkUsage } from '../../usage.ts';
import { createImage } from '../create.ts';
import { atTarget } from '../target.ts';
import { type ForeignSource, foreignSize, runTool } from './qemu-img.ts';

/** The formats that qemu-img writes for us. */
export const FOREIGN_FORMATS: readonly ForeignFormat[] = ['qcow2', 'vmdk', 'vhdx', 'vdi', 'qcow'];

/** Serves a disk over NBD on a socket: `serveNbd`, handed in, since operations do not know the server. */
export type ServeDisk = (disk: Disk, socketPath: string) => Promise<{ readonly uri: string; close(): Promise<void> }>;

/** How a conversion through qemu-img is done. */
export interface ForeignOptions extends OperationOptions {
  readonly format: ForeignFormat;
  readonly serve: ServeDisk;
  readonly isReplacing?: boolean;
}

/** Writes the content of a disk into a file of another format. Errors: EXISTS, TOOL_MISSING, TOOL_FAILED, CANCELLED. */
export async function convertToForeign(source: Disk, target: string, options: ForeignOptions): Promise<void> {
  checkUsage('convertToForeign', { disks: { source }, paths: { target }, options, needs: ['format', 'serve'] });
  const at = { storage: fileSystem, isReplacing: options.isReplacing ?? false };
  await atTarget(target, at, async () => {
    const place = path.resolve(placeOf(target, fileSystem));
    const temporary = temporaryName(place);
    const isDone = removeAtExit(temporary);
    try {
      fs.writeFileSync(temporary, '', { flag: 'wx' }); // There to be shown to the tool: it makes no file in our folder.
      await withServed(source, options.serve, (uri, folder) =>
        runTool(
          'qemu-img',
          ['convert', '-p', '-f', 'raw', '-O', options.format, '--', uri, temporary],
          { reads: [], writes: [temporary, folder], isWriter: true, sizeBytes: source.sizeBytes },
          options,
        ),
      );
      await syncFile(temporary);
      if (at.isReplacing) fileSystem.rename(temporary, place);
      else fileSystem.link(temporary, place);
    } finally {
      fs.rmSync(temporary, { force: true });
      isDone();
      await fileSystem.syncFolder(folderOf(place));
    }
  });
}

/**
 * Writes the content of a file of another format into a new dynamic image at `target`, which must not be there.
 * Errors: UNSUPPORTED (the file takes data from other files), TOOL_MISSING, TOOL_FAILED, CANCELLED, NO_SPACE.
 */
export async function convertFromForeign(
  source: string,
  target: string,
  options: ForeignOptions & ForeignSource & { readonly blockBytes?: number },
): Promise<void> {
  checkUsage('convertFromForeign', { paths: { source, target }, options, needs: ['format', 'serve'] });
  const file = path.resolve(source);
  const { sizeBytes, files } = await foreignSize(source, options);
  const { blockBytes } = options;
  await createImage(target, { sizeBytes, ...(blockBytes === undefined ? {} : { blockBytes }) });
  try {
    const disk = await openChain(target, { isReadOnly: false });
    try {
      await withServed(disk, options.serve, (uri, folder) =>
        runTool(
          'qemu-img',
          ['convert', '-p', '-n', '--target-is-zero', '-f', options.format, '-O', 'raw', '--', file, uri],
          { reads: files, writes: [folder], sizeBytes },
          options,
        ),
      );
      await disk.flush();
    } finally {
      await disk.close();
    }
  } catch (error) {
    fs.rmSync(target, { force: true });
    throw error;
  }
}

/** `work` is told the folder of the socket, too. */
async function withServed(
  disk: Disk,
  serve: ServeDisk,
  work: (uri: string, folder: string) => Promise<unknown>,
): Promise<void> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-nbd-'));
  try {
    const served = await serve(disk, path.join(folder, 'nbd'));
    try {
      await work(served.uri, folder);
    } finally {
      await served.close();
    }
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

async function syncFile(name: string): Promise<void> {
  const handle = await fs.promises.open(name, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
