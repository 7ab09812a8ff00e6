/** How clients are told where a disk is served. Pure. */
import type { ExportInfo } from '../control/api.ts';
import { nbdUri } from '../control/uri.ts';
import type { DiskRecord, OpenRecord } from '../state/records.ts';

/** `remoteHost`: the address for other machines, where there is one. */
export function exportInfo(
  { sizeBytes }: Pick<DiskRecord, 'sizeBytes'>,
  { exportName, socketPath, lease, mode, port }: OpenRecord,
  remoteHost: string | undefined,
): ExportInfo {
  const hasRemote = port !== undefined && remoteHost !== undefined;
  const remoteUri = hasRemote ? `nbds://${remoteHost}:${port}/${encodeURIComponent(exportName)}` : null;
  return { uri: nbdUri(exportName, socketPath), remoteUri, exportName, socketPath, lease, mode, sizeBytes };
}
