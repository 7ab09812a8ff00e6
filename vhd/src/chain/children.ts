/** Who stands on an image: what has to be looked for before it is written to, folded or removed. */
import path from 'node:path';
import { isVhdError } from '../errors.ts';
import { openImage, tiesOf } from '../formats/open.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import { DISK_LIMITS } from '../limits.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { findParent } from './parent.ts';

/**
 * The images in the folder of `image` (and in `folders`) whose parent it is: that name `identity`. Files that are no images
 * are passed over; at most `DISK_LIMITS.siblings` files of a folder are looked at. Errors: IO.
 */
export function findChildren(
  image: string,
  identity: string,
  storage: Storage,
  folders: readonly string[] = [],
): readonly string[] {
  const own = storage.stat(image)?.identity;
  const children: string[] = [];
  for (const folder of new Set([folderOf(image), ...folders])) {
    for (const name of imagesIn(folder, storage)) {
      const candidate = path.join(folder, name);
      const stat = storage.stat(candidate);
      if (stat?.kind !== 'file' || stat.identity === own) continue; // A socket or a pipe in the folder is nobody's child.
      if (isChildOf(candidate, identity, own, storage)) children.push(candidate);
    }
  }
  return children;
}

function imagesIn(folder: string, storage: Storage): readonly string[] {
  // Whatever they are called: a clone without an ending stands on its parent like any other. Names with a dot are not whole yet.
  const names = storage.list(folder).filter((name) => !name.startsWith('.') && !/\.(lock|json)$/.test(name));
  const isImage = (name: string): boolean => /\.a?vhd$/i.test(name);
  return names.toSorted((a, b) => Number(isImage(b)) - Number(isImage(a))).slice(0, DISK_LIMITS.siblings);
}

/** True for a child of the image whose identity is `identity` and whose file has the identity `file`. Errors: IO. */
function isChildOf(candidate: string, identity: string, file: string | undefined, storage: Storage): boolean {
  // One that the storage fails to read may be a child: a merge that does not see it would take its parent away.
  if (tiesOf(candidate, storage)?.parentIdentity !== identity) return false;
  return identity !== NIL_IDENTITY || leadsTo(candidate, file, storage);
}

/** Quirks 14 and 23: identities tie nothing where there are none; then it is the child's whose paths lead to the file. */
function leadsTo(candidate: string, file: string | undefined, storage: Storage): boolean {
  try {
    const child = openImage(candidate, { storage });
    try {
      if (child.parent === undefined) return false;
      const policy = { folders: ['/'] }; // Nothing is opened by this but to be told apart.
      const parent = findParent(child, child.parent, { storage, leaf: candidate, policy });
      return storage.stat(parent.path)?.identity === file;
    } finally {
      void child.close();
    }
  } catch (error) {
    if (isVhdError(error) && error.code !== 'IO') return false;
    throw error;
  }
}
