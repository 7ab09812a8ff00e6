/** Extents put together run by run, merged where alike. */
import type { Extent } from '../disk.ts';

/** At most `limit` extents; the last is as long as what was added made it. */
export class ExtentList {
  readonly #extents: Extent[] = [];
  readonly #limit: number;
  #offset = 0;
  #length = 0;
  #link: number | undefined;

  constructor(limit: number) {
    this.#limit = Math.max(1, limit);
  }

  /** True when nothing more is taken. */
  get isFull(): boolean {
    return this.#limit <= this.#extents.length;
  }

  /** Adds a run behind the last; nothing happens when the list is full. */
  add(offset: number, length: number, link: number | undefined): void {
    if (0 < this.#length && this.#link === link) {
      this.#length += length;
      return;
    }
    this.#close();
    this.#offset = offset;
    this.#length = length;
    this.#link = link;
  }

  finish(): readonly Extent[] {
    this.#close();
    return this.#extents;
  }

  #close(): void {
    const { length } = this.#extents;
    if (this.#length === 0 || this.#limit <= length) return;
    const offset = this.#offset;
    const link = this.#link;
    // Written out: a spread costs several times as much, and there may be hundreds of thousands.
    if (link === undefined) this.#extents.push({ offset, length: this.#length, isAllocated: false, isZero: true });
    else this.#extents.push({ offset, length: this.#length, isAllocated: true, isZero: false, link });
    this.#length = 0;
  }
}
