/** The words for kinds of disks. */
import type { DiskKind } from '../../../../api/disk.ts';
import { text } from '../../text/text.ts';

const words = text.console.images.kindLabels;

export const KIND_LABELS: Readonly<Record<DiskKind, string>> = {
  image: words.image,
  template: words.template,
  disk: words.disk,
  snapshot: words.snapshot,
};
