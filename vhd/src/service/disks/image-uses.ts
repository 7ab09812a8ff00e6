/** Who works with the file of an image: any number of readers, or one who changes it. */
import { VhdError } from '../../errors.ts';

export class ImageUses {
  readonly #readers = new Map<string, number>();
  /** What changes it, by image. */
  readonly #changes = new Map<string, string>();

  /** Reads it until what this gives is called. Errors: IN_PROGRESS. */
  read(id: string): () => void {
    this.requireUnchanged(id);
    this.#readers.set(id, (this.#readers.get(id) ?? 0) + 1);
    return () => {
      const left = (this.#readers.get(id) ?? 1) - 1;
      if (left === 0) this.#readers.delete(id);
      else this.#readers.set(id, left);
    };
  }

  /** Has it for itself until what this gives is called. Errors: IN_PROGRESS. */
  change(id: string, kind: string): () => void {
    this.requireUnused(id);
    this.#changes.set(id, kind);
    return () => void this.#changes.delete(id);
  }

  /** Errors: IN_PROGRESS. */
  requireUnchanged(id: string): void {
    const change = this.#changes.get(id);
    if (change !== undefined) throw new VhdError('IN_PROGRESS', `image ${id} is busy with ${change}`);
  }

  /** Errors: IN_PROGRESS. */
  requireUnused(id: string): void {
    this.requireUnchanged(id);
    if (this.#readers.has(id)) throw new VhdError('IN_PROGRESS', `image ${id} is being read`);
  }
}
