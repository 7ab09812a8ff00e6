/** Opening one image: the one place that turns a path into an image, and refuses what must not be opened. */
import { isVhdError, VhdError } from '../errors.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { Ties } from '../image/identity.ts';
import type { FormatName, Image } from '../image/image.ts';
import { refuseSealed } from '../image/seal.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { type ContentFormat, contentOfFile, isForeign, nameOfFormat } from './content.ts';
import type { ImageFormat } from './format.ts';
import { formatNamed } from './formats.ts';

/** How an image is opened. */
export interface OpenImageOptions {
  /** True when left out: writing has to be asked for. */
  readonly isReadOnly?: boolean;
  /** Where the files lie; the file system when left out. */
  readonly storage?: Storage;
  /**
   * SEALED-STAYS: true only for a journaled commit, the one operation that may write to an image that has children.
   * The storage must allow it (see `unseal`).
   */
  readonly isCommit?: boolean;
  /**
   * What the file is taken for. When left out its content says so, and a file that nothing recognizes is refused: it may
   * be an image that has lost what tells it. `raw` takes it as it is.
   */
  readonly format?: FormatName;
}

/**
 * Opens one image by itself, without its parents. The caller closes it. It does not lock: see `Storage.lock`. `noticed`
 * is what the search for it found and its findings should say.
 * Errors: NOT_FOUND, NOT_VHD, FOOTER_*, HEADER_*, BAT_*, TOO_LARGE, POISONED, UNSUPPORTED, DAMAGED, SEALED, READ_ONLY, IO.
 */
export function openImage(path: string, options: OpenImageOptions = {}, noticed: readonly OpenFinding[] = []): Image {
  checkUsage('openImage', { paths: { path }, options });
  const storage = options.storage ?? fileSystem;
  const isReadOnly = options.isReadOnly ?? true;
  if (!isReadOnly && options.isCommit !== true) refuseSealed(path, storage);
  const file = storage.open(path, isReadOnly ? 'read' : 'write');
  try {
    const format = options.format === undefined ? nativeFormatOf(file) : formatNamed(options.format);
    return format.open(file, noticed);
  } catch (error) {
    void file.close();
    throw error;
  }
}

/** The format of an image that is one of ours by its content. Errors: NOT_VHD where it is not, IO. */
export function nativeFormatOf(file: RandomAccessFile): ImageFormat {
  const content = contentOfFile(file);
  if (content !== 'raw' && isNative(content)) return formatNamed(content);
  throw notOurs(file.path, content);
}

/** Runs `look` on a file and the format that it is one of by its content. Errors: NOT_FOUND, NOT_VHD, IO, those of `look`. */
export function lookInto<T>(
  path: string,
  storage: Storage,
  look: (file: RandomAccessFile, format: ImageFormat) => T,
): T {
  const file = storage.open(path, 'read');
  try {
    return look(file, nativeFormatOf(file));
  } finally {
    void file.close();
  }
}

/**
 * Whose child the image at a path is; `undefined` where there is none, or nothing that is one. The records of a damaged
 * image may still say so. Errors: IO, READ_ONLY.
 */
export function tiesOf(path: string, storage: Storage): Ties | undefined {
  try {
    return lookInto(path, storage, (file, format) => format.tiesOf(file));
  } catch (error) {
    if (isVhdError(error, 'IO', 'READ_ONLY') || !isVhdError(error)) throw error;
    return undefined;
  }
}

/** The identity of the image at a path; `undefined` as in `tiesOf`. Errors: IO, READ_ONLY. */
export function identityOf(path: string, storage: Storage): string | undefined {
  return tiesOf(path, storage)?.identity;
}

function isNative(content: ContentFormat): content is FormatName {
  return content === 'vhd' || content === 'raw';
}

function notOurs(path: string, content: ContentFormat): VhdError {
  if (content === 'raw') return new VhdError('NOT_VHD', `${path} has no VHD footer, and nothing else tells what it is`);
  const hint = isForeign(content) ? 'convert it first (oriel vhd convert)' : 'take the disk out of it first';
  return new VhdError('NOT_VHD', `${path} is ${nameOfFormat(content)}, not a VHD: ${hint}`);
}
