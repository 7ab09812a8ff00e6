/** The words for kinds of disks. */
import type { DiskKind } from '../../../../api/disk.ts';

export const KIND_LABELS: Readonly<Record<DiskKind, string>> = {
  image: 'Image',
  template: 'Template',
  disk: 'Disk',
  snapshot: 'Snapshot',
};
