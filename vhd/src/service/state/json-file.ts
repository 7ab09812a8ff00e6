/**
 * Small JSON files that are either the old or the new one after a power cut: written beside, synced, renamed. As
 * machine/record-file.ts does it, but on the `Storage` seam: there the recorded power cuts reach it (FLUSHED-IS-SAFE), and
 * the order in which it and the files of a chain are synced is part of what they prove.
 */
import { fileError, readBytesSync } from '../../storage/file.ts';
import { folderOf, type Storage } from '../../storage/storage.ts';

/**
 * `isSynced: false` leaves out the syncs, each of which commits the journal of the file system under running VMs: for what
 * may be as it was before, or missing, after a power cut. Errors: NO_SPACE, READ_ONLY, IO.
 */
export async function writeJson(
  path: string,
  value: unknown,
  storage: Storage,
  { isSynced = true }: { readonly isSynced?: boolean } = {},
): Promise<void> {
  const beside = `${path}.new`;
  const bytes = Buffer.from(`${JSON.stringify(value, undefined, 2)}\n`);
  try {
    storage.remove(beside); // What a power cut left.
    const file = storage.open(beside, 'create');
    try {
      await file.write(bytes, 0, bytes.byteLength, 0);
      if (isSynced) await file.sync();
    } finally {
      await file.close();
    }
    storage.rename(beside, path);
    if (isSynced) await storage.syncFolder(folderOf(path));
  } catch (cause) {
    throw fileError(cause, `cannot write ${path}`);
  }
}

/** `undefined` where there is no such file, or where it is no JSON. Errors: IO, READ_ONLY. */
export function readJson(path: string, storage: Storage): unknown {
  if (storage.stat(path) === undefined) return undefined;
  const file = storage.open(path, 'read');
  try {
    return JSON.parse(Buffer.from(readBytesSync(file, 0, file.sizeBytes)).toString('utf8')) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  } finally {
    void file.close();
  }
}
