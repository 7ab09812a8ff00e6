/** Opening one image: the one place that turns a path into an image, and refuses what must not be opened. */
import { isVhdError } from '../errors.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { Image } from '../image/image.ts';
import { refuseSealed } from '../image/seal.ts';
import { fileSystem, type Storage } from '../storage/storage.ts';
import { DynamicImage } from './vhd/dynamic-image.ts';
import { FixedImage } from './vhd/fixed-image.ts';
import { readDynamicTable, readFooter } from './vhd/image-metadata.ts';

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
}

/**
 * Opens one image by itself, without its parents. The caller closes it. It does not lock: see `Storage.lock`. `noticed`
 * is what the search for it found and its findings should say.
 * Errors: NOT_FOUND, NOT_VHD, FOOTER_*, HEADER_*, BAT_*, TOO_LARGE, POISONED, UNSUPPORTED, DAMAGED, SEALED, READ_ONLY, IO.
 */
export function openImage(path: string, options: OpenImageOptions = {}, noticed: readonly OpenFinding[] = []): Image {
  const storage = options.storage ?? fileSystem;
  const isReadOnly = options.isReadOnly ?? true;
  if (!isReadOnly && options.isCommit !== true) refuseSealed(path, storage);
  const file = storage.open(path, isReadOnly ? 'read' : 'write');
  try {
    const found = readFooter(file);
    const reading = { ...found, findings: [...found.findings, ...noticed] };
    if (reading.footer.diskType === 'fixed') return new FixedImage(file, reading);
    return new DynamicImage(file, reading, readDynamicTable(file, reading.footer));
  } catch (error) {
    void file.close();
    throw error;
  }
}

/** The identity of the image at a path; `undefined` where there is none, or nothing that is one. Errors: IO, READ_ONLY. */
export function identityOf(name: string, storage: Storage): string | undefined {
  try {
    const file = storage.open(name, 'read');
    try {
      return readFooter(file).footer.uuid;
    } finally {
      void file.close();
    }
  } catch (error) {
    if (isVhdError(error, 'IO', 'READ_ONLY') || !isVhdError(error)) throw error;
    return undefined;
  }
}
