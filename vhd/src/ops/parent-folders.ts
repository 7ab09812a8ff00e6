/** Which folders a chain needs to be told of: parents are only looked for where the caller allows it. */
import path from 'node:path';
import { openLinks } from '../chain/open.ts';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { isVhdError } from '../errors.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { folderOf } from '../storage/storage.ts';

/**
 * The folders of an image's ancestors that have to be named for it to open (`policy.folders`, `--parents`): none where it
 * opens by itself. `parent` is the file that it was just made a child of. Errors: IO.
 */
export function parentFoldersOf(
  name: string,
  parent: string,
  options: OperationOptions & { readonly policy?: ChainPolicy } = {},
): readonly string[] {
  const storage = storageOf(options);
  const pathsOf = (policy: ChainPolicy): readonly string[] | undefined => {
    try {
      const links = openLinks(name, { storage, policy });
      for (const image of links) void image.close();
      return links.map((image) => storage.resolve(image.path));
    } catch (error) {
      if (isVhdError(error) && error.code.startsWith('PARENT_')) return undefined;
      throw error;
    }
  };
  if (pathsOf({}) !== undefined) return [];
  const parentFolder = folderOf(storage.resolve(parent));
  const known = [...(options.policy?.folders ?? []), parentFolder];
  const own = folderOf(storage.resolve(name));
  const elsewhere = (pathsOf({ folders: known }) ?? []).map(folderOf).filter((folder) => !isBelow(folder, own));
  const folders = [...new Set([parentFolder, ...elsewhere])].filter((folder) => !isBelow(folder, own));
  return folders.filter((folder) => !folders.some((other) => other !== folder && isBelow(folder, other)));
}

/** A folder itself counts as below. */
function isBelow(folder: string, top: string): boolean {
  const relative = path.relative(top, folder);
  return relative !== '..' && !relative.startsWith('../');
}
