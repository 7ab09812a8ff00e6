/**
 * Takes a file of any format into a new image: ours by ourselves, what QEMU knows through qemu-img and our export. The file
 * and what it names are only read: no journal beside them is finished, no link is followed. Source and target are files of
 * this machine, since qemu-img is handed their paths.
 */
import { closeSync, constants, lstatSync, openSync, readSync, rmSync } from 'node:fs';
import { openChain, openLinks } from '../../chain/open.ts';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { isForeign } from '../../formats/content.ts';
import { openRawDisk } from '../../formats/raw/raw-disk.ts';
import { beginsAsDisk, isPlainText } from '../../formats/raw/signatures.ts';
import { serveNbd } from '../../nbd/server.ts';
import { convertDisk, sourceFormat } from '../../ops/convert.ts';
import { convertFromForeign } from '../../ops/foreign/foreign.ts';
import { hasJournal } from '../../ops/journal.ts';
import { fileError } from '../../storage/file.ts';
import { fileSystem } from '../../storage/storage.ts';
import type { ImportFormat } from '../control/api.ts';
import type { TaskContext } from '../state/task-book.ts';

/** Errors: those of `openSource` and `convertDisk`, or of `convertFromForeign`. On an error, `target` is not there. */
export async function importFile(
  source: string,
  target: string,
  context: TaskContext,
  wanted: ImportFormat | undefined,
): Promise<void> {
  rmSync(target, { force: true });
  requirePlainFile(source);
  const format = wanted ?? formatOf(source);
  const { signal } = context;
  try {
    if (isForeign(format)) {
      const serve: Parameters<typeof convertFromForeign>[2]['serve'] = (disk, socketPath) =>
        serveNbd(disk, { socketPath });
      await convertFromForeign(source, target, { format, serve, signal, onProgress: progressTo(context) });
      return;
    }
    const disk: Disk = await (format === 'raw' ? openRawDisk(source, fileSystem) : openChainAsItIs(source));
    try {
      await convertDisk(disk, target, { to: 'dynamic', signal, onProgress: progressTo(context) });
    } finally {
      await disk.close();
    }
  } catch (error) {
    rmSync(target, { force: true });
    throw error;
  } finally {
    // Its buffers are 8 MiB that V8 would keep for hours: beside its heap, which hardly grows, it sees no need to collect.
    globalThis.gc?.();
  }
}

export function progressTo(context: TaskContext) {
  return ({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number | undefined }): void => {
    if (totalBytes !== undefined && 0 < totalBytes) context.progress(doneBytes / totalBytes);
  };
}

/**
 * The chain of a VHD that somebody brought along. What was cut off there is finished by who wrote it, with `oriel vhd`: a
 * journal beside a file says which files to change, and is believed in our own storage alone.
 * Errors: IN_PROGRESS, PARENT_OUTSIDE (a link), and those of `openChain`.
 */
async function openChainAsItIs(source: string): Promise<Disk> {
  const images = openLinks(source);
  const paths = images.map((image) => image.path);
  await Promise.all(images.map((image) => image.close()));
  for (const path of paths) {
    requirePlainFile(path);
    if (hasJournal(path, fileSystem)) {
      throw new VhdError(
        'IN_PROGRESS',
        `an operation on ${path} was cut off, and an import changes nothing: finish it first with oriel vhd repair ${path}`,
      );
    }
  }
  return openChain(source);
}

/** Errors: NOT_FOUND, PARENT_OUTSIDE. */
function requirePlainFile(path: string): void {
  const found = lstatSync(path, { throwIfNoEntry: false });
  if (found === undefined) throw new VhdError('NOT_FOUND', `${path} is not there`);
  if (!found.isFile())
    throw new VhdError('PARENT_OUTSIDE', `${path} is a link or no plain file: an import follows none`);
}

const HEAD_BYTES = 0x11000;

/** What the file begins with. It is opened without following a link. Errors: NOT_FOUND, IO, PARENT_OUTSIDE. */
function headOf(path: string): Buffer {
  const head = Buffer.alloc(HEAD_BYTES);
  try {
    const file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    try {
      return head.subarray(0, readSync(file, head, 0, HEAD_BYTES, 0));
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw fileError(cause, `cannot read ${path}`);
  }
}

/** What people call raw disks. */
const RAW_NAMES = /\.(raw|img|dd)$/i;

/** By its content; raw only where it begins as a disk does, or where the name says so and it is no text. Errors: USAGE, and those of `sourceFormat`. */
function formatOf(source: string): ImportFormat {
  const format = sourceFormat(source, {});
  if (format !== 'raw') return format as ImportFormat;
  const head = headOf(source);
  if (beginsAsDisk(head) || (RAW_NAMES.test(source) && !isPlainText(head))) return 'raw';
  throw new VhdError(
    'USAGE',
    `${source} is no disk image that is known: expected VHD, VHDX, VMDK, VDI, qcow2, or a raw disk that begins with a partition table or a file system; where it is raw nevertheless, say the format raw`,
  );
}
