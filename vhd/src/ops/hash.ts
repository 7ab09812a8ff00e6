/** SHA-256 of the virtual content of a disk: the same for every format that holds the same bytes. */
import { createHash } from 'node:crypto';
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import { readAhead } from '../copy/read-ahead.ts';
import type { Disk } from '../disk.ts';
import { checkUsage } from '../usage.ts';

/** The SHA-256 of all virtual bytes, as 64 hexadecimal digits. Holes are not read, but count. Errors: CANCELLED, IO. */
export async function hashDisk(disk: Disk, options: OperationOptions = {}): Promise<string> {
  checkUsage('hashDisk', { disks: { disk }, options });
  const hash = createHash('sha256');
  let doneBytes = 0;
  for await (const bytes of readAhead(disk)) {
    throwIfCancelled(options.signal);
    hash.update(bytes);
    doneBytes += bytes.byteLength;
    options.onProgress?.({ doneBytes, totalBytes: disk.sizeBytes });
  }
  return hash.digest('hex');
}
