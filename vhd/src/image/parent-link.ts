/** How an image names its parent: as it is read, and as it is written. */

/** One path of a parent as it stands in a file, and in the notation of this machine. */
export interface ParentPath {
  /** The name of the notation, as the format has it: `W2ru`, `W2ku`, `MacX`. */
  readonly notation: string;
  readonly text: string;
}

/** What an image says about its parent. All but the identity are hints. */
export interface StoredParent {
  /** NIL_IDENTITY for a parent that has none: a raw file, or an image of a writer that left it empty (quirk 14). */
  readonly identity: string;
  /** File name; may be empty. */
  readonly name: string;
  /** In the order they are stored. */
  readonly paths: readonly ParentPath[];
  /** True where the parent may have been modified at that time, as far as the image says. */
  wasModifiedAt(date: Date): boolean;
}

/** What a new child stores about its parent. Paths with `/`. */
export interface ParentLink {
  readonly identity: string;
  /** File name without folders. */
  readonly name: string;
  /** From the folder of the child, starting with `./` or `../`. */
  readonly relativePath: string;
  readonly absolutePath: string;
  /** Modification time of the parent file. */
  readonly modified: Date;
}

/** A path as a program on some system wrote it, in the notation of this machine. */
export interface LocalPath {
  /** `relative`: from the folder of the child. `unc`: on another machine (`//server/share/…`), never followed. */
  readonly kind: 'relative' | 'absolute' | 'unc';
  /** With `/` between the parts; a drive letter is dropped. */
  readonly path: string;
}

/** Turns a path as some system wrote it into one of this system (quirk 13): `.\x.vhd`, `c:\a\b.vhd`, `\\server\share`. */
export function localPath(text: string): LocalPath {
  const slashed = text.replaceAll('\\', '/');
  if (slashed.startsWith('//')) return { kind: 'unc', path: slashed };
  const noDrive = slashed.replace(/^[a-z]:/i, '');
  const isAbsolute = noDrive.startsWith('/');
  return { kind: isAbsolute ? 'absolute' : 'relative', path: noDrive.replace(/^(\.\/)+/, '') };
}
