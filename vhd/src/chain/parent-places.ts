/** Where the parent of an image may lie: what the image says, its name beside the image, its name in the folders to search. */
import path from 'node:path';
import { localPath, type StoredParent } from '../image/parent-link.ts';
import type { Storage } from '../storage/storage.ts';

/** One place to look at. */
export interface ParentPlace {
  /** Absolute. */
  readonly path: string;
  /** As the image has it: what a person may have seen or written. */
  readonly written: string;
  /** `searched`: the name in one of the folders that the caller gave. `remote`: on another machine, never looked at. */
  readonly kind: 'relative' | 'absolute' | 'remote' | 'beside' | 'searched';
}

/** A name that differs in case may lie in folders that do, too: so many ways are followed. */
const MOST_WAYS = 8;

/**
 * In the order in which they are looked at: relative paths first, as chains are moved as a whole, then absolute ones, the
 * parent's name beside the child, and then each end of a path (`t/base.vhd`, `base.vhd`) in each of `folders`.
 */
export function placesOf(
  stored: StoredParent,
  childFolder: string,
  folders: readonly string[],
): readonly ParentPlace[] {
  const relative: ParentPlace[] = [];
  const absolute: ParentPlace[] = [];
  for (const { text: written } of stored.paths) {
    const parsed = localPath(written);
    if (parsed.path === '') continue;
    if (parsed.kind === 'relative')
      relative.push({ path: path.resolve(childFolder, parsed.path), written, kind: 'relative' });
    else {
      const kind = parsed.kind === 'unc' ? 'remote' : 'absolute';
      absolute.push({ path: path.posix.normalize(parsed.path), written, kind });
    }
  }
  const name = path.posix.basename(localPath(stored.name).path);
  const beside: readonly ParentPlace[] = isName(name)
    ? [{ path: path.join(childFolder, name), written: stored.name, kind: 'beside' }]
    : [];
  const searched = folders.flatMap((folder) =>
    endsOf(stored).map(
      (end): ParentPlace => ({ path: path.resolve(folder, end), written: path.posix.basename(end), kind: 'searched' }),
    ),
  );
  return firstOfEach([...relative, ...absolute, ...beside, ...searched]);
}

/**
 * Where it lies if a backslash in what is stored is a sign of its name: Windows, and the notations of it, part folders by that.
 * Only a file URL says which is meant; the name is tried beside the child and in `folders`.
 */
export function literalPlacesOf(
  stored: StoredParent,
  childFolder: string,
  folders: readonly string[],
): readonly ParentPlace[] {
  const places: ParentPlace[] = [];
  for (const { notation, text: written } of stored.paths) {
    if (notation !== 'MacX' || !written.startsWith('/') || !written.includes('\\')) continue;
    places.push({ path: path.posix.normalize(written), written, kind: 'absolute' });
  }
  const { name } = stored;
  if (!name.includes('\\') || name.includes('/')) return places;
  for (const folder of [childFolder, ...folders])
    places.push({
      path: path.resolve(folder, name),
      written: name,
      kind: folder === childFolder ? 'beside' : 'searched',
    });
  return places;
}

/** Names by which an image knows its parent, without folders. */
export function namesOf(stored: StoredParent): readonly string[] {
  const texts = [stored.name, ...stored.paths.map(({ text }) => text)];
  return [...new Set(texts.map((text) => path.posix.basename(localPath(text).path)).filter(isName))];
}

/** Names that are `name` but for case, and for how accents are put together, within `folders`. */
export function placesWithoutCase(
  { path: name, written, kind }: ParentPlace,
  folders: readonly string[],
  storage: Storage,
): readonly ParentPlace[] {
  return folders
    .filter((folder) => name.startsWith(withSlash(folder)))
    .flatMap((folder) => {
      let ways: readonly string[] = [folder];
      for (const part of name.slice(withSlash(folder).length).split('/'))
        ways = ways.flatMap((at) => entriesLike(at, part, storage)).slice(0, MOST_WAYS);
      return ways.map((way) => ({ path: way, written, kind }));
    });
}

/** The longest end first: it says most. A path that climbs ends where it stops climbing. */
function endsOf(stored: StoredParent): readonly string[] {
  const ends: string[] = [];
  for (const text of [...stored.paths.map((one) => one.text), stored.name]) {
    const parts = localPath(text)
      .path.split('/')
      .filter((part) => part !== '' && part !== '.');
    const from = parts.lastIndexOf('..') + 1;
    for (let i = from; i < parts.length; i += 1) ends.push(parts.slice(i).join('/'));
  }
  return [...new Set(ends)].toSorted((a, b) => b.split('/').length - a.split('/').length);
}

function entriesLike(folder: string, part: string, storage: Storage): readonly string[] {
  const folded = withoutCase(part);
  try {
    return storage
      .list(folder)
      .filter((name) => withoutCase(name) === folded)
      .map((name) => path.join(folder, name));
  } catch {
    return []; // No folder, or one that may not be listed.
  }
}

function firstOfEach(places: readonly ParentPlace[]): readonly ParentPlace[] {
  const seen = new Set<string>();
  return places.filter(({ path: name, kind }) => {
    const key = `${kind === 'remote'} ${name}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}

const withoutCase = (name: string): string => name.normalize('NFC').toLowerCase();

const withSlash = (folder: string): string => (folder.endsWith('/') ? folder : `${folder}/`);

const isName = (name: string): boolean => !['', '.', '..'].includes(name);
