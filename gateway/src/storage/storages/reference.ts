/**
 * What the API calls a disk: its own id where it lies in the gateway's first storage, else `<storage>:<id>`, since two
 * storages may each have a disk of that id. Pure.
 */

/** The storage in the data folder: it is always there. */
export const FIRST_STORAGE = 'main';

export interface DiskPlace {
  readonly storageId: string;
  /** Of the disk, image or snapshot in that storage. */
  readonly id: string;
}

export function referenceOf({ storageId, id }: DiskPlace): string {
  return storageId === FIRST_STORAGE ? id : `${storageId}:${id}`;
}

export function placeOf(reference: string): DiskPlace {
  const colon = reference.indexOf(':');
  if (colon < 0) return { storageId: FIRST_STORAGE, id: reference };
  return { storageId: reference.slice(0, colon), id: reference.slice(colon + 1) };
}
