/** Ids of images, disks, snapshots and tasks, and whose they are. Pure. */
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

/** Whose a thing is: `vm:<id>`, `job:<id>`, `pool:<id>` and the like. The service keeps it; who that is, it does not know. */
export type Owner = `${string}:${string}`;

const OWNER = /^[a-z][a-z-]{0,15}:[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Errors: USAGE. */
export function checkOwner(owner: string): Owner {
  if (!OWNER.test(owner))
    throw new VhdError('USAGE', `not an owner: ${JSON.stringify(owner)} (a kind and an id, such as vm:web-1)`);
  return owner as Owner;
}

/** For a change that is meant for one owner's only. Errors: NOT_OWNER. */
export function requireOwner(what: string, owner: Owner | null, expected: Owner | null | undefined): void {
  if (expected === undefined || owner === expected) return;
  throw new VhdError('NOT_OWNER', `${what} belongs to ${owner ?? 'nobody'}, not to ${expected ?? 'nobody'}`);
}
