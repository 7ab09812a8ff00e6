/** So many at once, the others in line. */
export class Slots {
  readonly #waiting: (() => void)[] = [];
  #free: number;
  #isClosed = false;

  constructor(count: number) {
    this.#free = count;
  }

  /** Resolves when there is room, with the function that makes it free again. */
  async take(): Promise<() => void> {
    if (this.#isClosed) throw new Error('closed');
    if (0 < this.#free) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    if (this.#isClosed) throw new Error('closed');
    let isFreed = false;
    return () => {
      if (isFreed) return;
      isFreed = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free++;
      else next();
    };
  }

  /** Whoever waits is turned away. */
  close(): void {
    this.#isClosed = true;
    for (const next of this.#waiting.splice(0)) next();
  }
}
