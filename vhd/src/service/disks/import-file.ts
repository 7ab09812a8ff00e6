/**
 * Takes a file of any format into a new image: ours by ourselves, what QEMU knows through qemu-img and our export. Source
 * and target are files of this machine, since qemu-img is handed their paths.
 */
import { rmSync } from 'node:fs';
import { isForeign } from '../../formats/content.ts';
import { serveNbd } from '../../nbd/server.ts';
import { convertDisk, openSource, sourceFormat } from '../../ops/convert.ts';
import { convertFromForeign } from '../../ops/foreign/foreign.ts';
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
  const format = wanted ?? sourceFormat(source, {});
  const { signal } = context;
  try {
    if (isForeign(format)) {
      const serve: Parameters<typeof convertFromForeign>[2]['serve'] = (disk, socketPath) =>
        serveNbd(disk, { socketPath });
      await convertFromForeign(source, target, { format, serve, signal, onProgress: progressTo(context) });
      return;
    }
    const disk = await openSource(source, { format });
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
