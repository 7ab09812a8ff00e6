/** Who stands on an image: what has to be looked for before it is written to, folded or removed. */
import path from 'node:path';
import { VhdError } from '../errors.ts';
import { readFooter, readHeader } from '../formats/vhd/image-metadata.ts';
import { DISK_LIMITS } from '../limits.ts';
import { folderOf, type Storage } from '../storage/storage.ts';

/**
 * The images in the folder of `image` (and in `folders`) whose parent has the identity `uuid`. Files that are no images
 * are passed over; at most `DISK_LIMITS.siblings` files of a folder are looked at. Errors: IO.
 */
export function findChildren(
  image: string,
  uuid: string,
  storage: Storage,
  folders: readonly string[] = [],
): readonly string[] {
  const own = storage.stat(image)?.identity;
  const children: string[] = [];
  for (const folder of new Set([folderOf(image), ...folders])) {
    for (const name of imagesIn(folder, storage)) {
      const candidate = path.join(folder, name);
      if (storage.stat(candidate)?.identity !== own && parentUuidOf(candidate, storage) === uuid)
        children.push(candidate);
    }
  }
  return children;
}

function imagesIn(folder: string, storage: Storage): readonly string[] {
  const names = storage.list(folder).filter((name) => /\.a?vhd$/i.test(name));
  return names.slice(0, DISK_LIMITS.siblings);
}

function parentUuidOf(image: string, storage: Storage): string | undefined {
  try {
    const file = storage.open(image, 'read');
    try {
      const { footer } = readFooter(file);
      return footer.diskType === 'differencing' ? readHeader(file, footer).parentUuid : undefined;
    } finally {
      void file.close();
    }
  } catch (error) {
    // Not an image, or a damaged one: not a child of ours. One that the storage fails to read may be one: a merge that
    // does not see it would take its parent away.
    if (error instanceof VhdError && error.code !== 'IO') return undefined;
    throw error;
  }
}
