/** A planted fault: syncs that a program made, taken out of its log, as if the code had left them out. */
import type { LogEntry, RecordingStorage } from '../../testing/recording-storage.ts';

/** Takes out the syncs of files that were made under a name like `file`, or of folders like `folder`. Returns how many. */
export function omitSyncs(
  { log, started }: RecordingStorage,
  { file, folder }: { readonly file?: RegExp; readonly folder?: RegExp },
): number {
  const names = new Map([...started.names].map(([name, node]) => [node.id, name]));
  const isOmitted = (entry: LogEntry): boolean =>
    (entry.kind === 'sync' && file?.test(names.get(entry.file) ?? '') === true) ||
    (entry.kind === 'syncFolder' && folder?.test(entry.folder) === true);
  let count = 0;
  for (const [at, entry] of log.entries()) {
    if (entry.kind === 'create') names.set(entry.file, entry.path);
    if (!isOmitted(entry)) continue;
    log[at] = { kind: 'mark', note: 'a sync that was left out' };
    count++;
  }
  return count;
}
