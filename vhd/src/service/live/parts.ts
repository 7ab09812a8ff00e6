/** What the live changes of a disk have in common. */
import type { Disks } from '../disks/disks.ts';
import type { Images } from '../disks/images.ts';
import type { Shared } from '../disks/shared.ts';
import type { Folding } from './fold.ts';
import type { NewLeaves } from './new-leaf.ts';

export interface LiveParts {
  readonly shared: Shared;
  readonly disks: Disks;
  readonly images: Images;
  readonly leaves: NewLeaves;
  readonly folding: Folding;
}
