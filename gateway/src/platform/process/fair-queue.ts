/**
 * Work that many ask for and of which little is done at once: served in turn by who asks, so that nobody waits for more than
 * one piece of anybody else's at a time. BOUNDED, by who causes it: when too much waits, who has most waiting is refused.
 */
import { GatewayError } from '../../errors.ts';

export interface FairLimits {
  readonly atOnce: number;
  /** Of one who asks. */
  readonly atOnceEach: number;
  readonly waiting: number;
}

interface Waiting {
  readonly start: () => void;
  readonly refuse: () => void;
}

export class FairQueue {
  readonly #limits: FairLimits;
  readonly #message: string;
  #running = 0;
  readonly #runningOf = new Map<string, number>();
  /** By who asks, in the order of their turns. */
  readonly #waiting = new Map<string, Waiting[]>();

  /** `message`: what who is refused is told. */
  constructor(limits: FairLimits, message: string) {
    this.#limits = limits;
    this.#message = message;
  }

  /** Errors: TOO_MANY, and those of the work. */
  async run<T>(who: string, work: () => Promise<T>): Promise<T> {
    if (this.#hasRoomFor(who)) this.#count(who, 1);
    else await this.#turn(who);
    try {
      return await work();
    } finally {
      this.#count(who, -1);
      this.#next();
    }
  }

  #hasRoomFor(who: string): boolean {
    return this.#running < this.#limits.atOnce && (this.#runningOf.get(who) ?? 0) < this.#limits.atOnceEach;
  }

  #count(who: string, by: 1 | -1): void {
    this.#running += by;
    const own = (this.#runningOf.get(who) ?? 0) + by;
    if (own === 0) this.#runningOf.delete(who);
    else this.#runningOf.set(who, own);
  }

  /** Resolves when it is counted as running. */
  async #turn(who: string): Promise<void> {
    this.#makeRoom(who);
    await new Promise<void>((start, fail) => {
      const refuse = (): void => fail(this.#refusal());
      this.#waiting.set(who, [...(this.#waiting.get(who) ?? []), { start, refuse }]);
    });
  }

  /** Where too much waits, the newest of whoever has most goes; throws where that is who asks now. */
  #makeRoom(who: string): void {
    const lists = [...this.#waiting];
    if (lists.reduce((sum, [, list]) => sum + list.length, 0) < this.#limits.waiting) return;
    const [largest, list] = lists.reduce((most, one) => (most[1].length < one[1].length ? one : most));
    if (list.length <= (this.#waiting.get(who)?.length ?? 0) + 1) throw this.#refusal();
    list.pop()?.refuse();
    if (list.length === 0) this.#waiting.delete(largest);
  }

  /** Who was served goes to the end of the line. */
  #next(): void {
    const found = [...this.#waiting].find(([who]) => this.#hasRoomFor(who));
    if (found === undefined) return;
    const [who, list] = found;
    const first = list.shift();
    this.#waiting.delete(who);
    if (list.length !== 0) this.#waiting.set(who, list);
    this.#count(who, 1);
    first?.start();
  }

  #refusal(): GatewayError {
    return new GatewayError('TOO_MANY', this.#message, { retryAfterSeconds: 2 });
  }
}
