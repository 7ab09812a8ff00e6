/** Ids of images, disks, snapshots and tasks. Pure. */
import { VhdError } from '../../errors.ts';

/** Ids become file names and socket names: short, and nothing that a path could be made of. */
const ID = /^[a-z0-9][a-z0-9-]{0,39}$/;

export function isId(text: string): boolean {
  return ID.test(text);
}

/** Errors: USAGE. */
export function checkId(id: string): string {
  if (!isId(id)) throw new VhdError('USAGE', `not an id: ${JSON.stringify(id)} (a-z, 0-9 and dashes, at most 40)`);
  return id;
}
