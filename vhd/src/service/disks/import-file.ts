/**
 * Takes a file of any format into a new image: ours by ourselves, what QEMU knows through qemu-img and our export. Source
 * and target are files of this machine, since qemu-img is handed their paths.
 */
import { closeSync, openSync, readSync, rmSync } from 'node:fs';
import { serveNbd } from '../../nbd/server.ts';
import { convertDisk, openSource } from '../../ops/convert.ts';
import { convertFromForeign, type ForeignFormat } from '../../ops/foreign/foreign.ts';
import { fileError } from '../../storage/file.ts';
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
  const format = wanted ?? foreignFormatOf(source);
  const { signal } = context;
  try {
    if (format !== undefined && format !== 'vhd' && format !== 'raw') {
      const serve: Parameters<typeof convertFromForeign>[2]['serve'] = (disk, socketPath) =>
        serveNbd(disk, { socketPath });
      await convertFromForeign(source, target, { format, serve, signal, onProgress: progressTo(context) });
      return;
    }
    const disk = await openSource(source, format === undefined ? {} : { format });
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

function progressTo(context: TaskContext) {
  return ({ doneBytes, totalBytes }: { readonly doneBytes: number; readonly totalBytes: number | undefined }): void => {
    if (totalBytes !== undefined && 0 < totalBytes) context.progress(doneBytes / totalBytes);
  };
}

/** By the first bytes: each of these formats has a magic. A VHD has its footer at the end, a raw file has nothing. Errors: NOT_FOUND, IO. */
function foreignFormatOf(path: string): ForeignFormat | undefined {
  const head = Buffer.alloc(512);
  try {
    const file = openSync(path, 'r');
    try {
      readSync(file, head, 0, 512, 0);
    } finally {
      closeSync(file);
    }
  } catch (cause) {
    throw fileError(cause, `cannot read ${path}`);
  }
  const text = head.toString('latin1');
  if (text.startsWith('QFI\xfb')) return head.readUInt32BE(4) === 1 ? 'qcow' : 'qcow2';
  if (text.startsWith('KDMV') || text.startsWith('# Disk DescriptorFile')) return 'vmdk';
  if (text.startsWith('vhdxfile')) return 'vhdx';
  return head.readUInt32LE(64) === 0xbeda107f ? 'vdi' : undefined;
}
