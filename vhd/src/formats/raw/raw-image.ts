/** A raw file as an image: its bytes are the virtual bytes. The root of a chain (quirk 14), or all of one. */
import { VhdError } from '../../errors.ts';
import type { OpenFinding } from '../../image/finding.ts';
import { NIL_IDENTITY } from '../../image/identity.ts';
import { WholeImage } from '../../image/whole-image.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { alignUp, formatSize, LIMITS, SECTOR_BYTES } from '../../units.ts';

/**
 * Opens a raw file. Its last sector need not be whole: what is behind its end reads as zero, and it is made whole before
 * it is written to. Errors: TOO_LARGE, USAGE (empty), NO_SPACE, IO.
 */
export function openRawImage(file: RandomAccessFile, findings: readonly OpenFinding[]): WholeImage {
  const sizeBytes = alignUp(file.sizeBytes, SECTOR_BYTES);
  if (LIMITS.fixedDiskBytes < sizeBytes) {
    throw new VhdError(
      'TOO_LARGE',
      `${file.path} has ${formatSize(sizeBytes)}, at most ${formatSize(LIMITS.fixedDiskBytes)}`,
    );
  }
  const missing = sizeBytes - file.sizeBytes;
  if (!file.isReadOnly && 0 < missing) file.writeSync(new Uint8Array(missing), 0, missing, file.sizeBytes);
  return new WholeImage(file.isReadOnly && 0 < missing ? new PaddedFile(file) : file, {
    format: 'raw',
    identity: NIL_IDENTITY,
    sizeBytes,
    findings,
    details: { type: 'raw' },
  });
}

/** A file that zeros come behind: for reading. */
class PaddedFile implements RandomAccessFile {
  readonly path: string;
  readonly isReadOnly = true;
  readonly sizeBytes: number;
  readonly #file: RandomAccessFile;

  constructor(file: RandomAccessFile) {
    this.path = file.path;
    this.sizeBytes = file.sizeBytes;
    this.#file = file;
  }

  readSync(into: Uint8Array, intoOffset: number, length: number, position: number): void {
    const stored = this.#fill(into, intoOffset, length, position);
    if (0 < stored) this.#file.readSync(into, intoOffset, stored, position);
  }

  async read(into: Uint8Array, intoOffset: number, length: number, position: number): Promise<void> {
    const stored = this.#fill(into, intoOffset, length, position);
    if (0 < stored) await this.#file.read(into, intoOffset, stored, position);
  }

  writeSync(): void {
    throw this.#readOnly();
  }

  write(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  truncate(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }

  close(): Promise<void> {
    return this.#file.close();
  }

  /** Zeros what the file does not have of a range, and returns how much of it the file has. */
  #fill(into: Uint8Array, intoOffset: number, length: number, position: number): number {
    const stored = Math.max(0, Math.min(length, this.sizeBytes - position));
    into.fill(0, intoOffset + stored, intoOffset + length);
    return stored;
  }

  #readOnly(): VhdError {
    return new VhdError('READ_ONLY', `${this.path} is open for reading`);
  }
}
