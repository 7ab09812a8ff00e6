/** What runs now and what waits, in lanes: an import that copies for an hour holds up no start of a VM. In turn by who asks. */
export const LANE_LIMITS = {
  /** The disk service paces itself; more at once only share its disk. */
  storage: 4,
  compute: 16,
  backup: 2,
} as const;

export type Lane = keyof typeof LANE_LIMITS;

const LANES = Object.keys(LANE_LIMITS) as readonly Lane[];

interface Waiting {
  readonly id: string;
  readonly who: string;
}

export class Lanes {
  readonly #queues: Readonly<Record<Lane, Waiting[]>> = { storage: [], compute: [], backup: [] };
  /** Of whom each that runs is. */
  readonly #running: Readonly<Record<Lane, string[]>> = { storage: [], compute: [], backup: [] };

  /** How many wait, in all lanes; of one who asks, or of all. */
  waiting(who?: string): number {
    const isMeant = (one: Waiting): boolean => who === undefined || one.who === who;
    return LANES.reduce((sum, lane) => sum + this.#queues[lane].filter(isMeant).length, 0);
  }

  holds(id: string): boolean {
    return LANES.some((lane) => this.#queues[lane].some((one) => one.id === id));
  }

  add(id: string, lane: Lane, who: string): void {
    this.#queues[lane].push({ id, who });
  }

  /** The next that has room, with the function that makes the room free again. */
  take(): { readonly id: string; readonly free: () => void } | undefined {
    for (const lane of LANES) {
      if (LANE_LIMITS[lane] <= this.#running[lane].length) continue;
      const next = this.#nextIn(lane);
      if (next === undefined) continue;
      this.#running[lane].push(next.who);
      return { id: next.id, free: () => void takeOut(this.#running[lane], (who) => who === next.who) };
    }
    return undefined;
  }

  /** Whoever has least running goes first; between equals, who came first. */
  #nextIn(lane: Lane): Waiting | undefined {
    const queue = this.#queues[lane];
    const runningOf = ({ who }: Waiting): number => this.#running[lane].filter((one) => one === who).length;
    const least = Math.min(...queue.map(runningOf));
    return takeOut(queue, (one) => runningOf(one) === least);
  }

  /** Takes one that waits out of its line; false: it does not wait. */
  drop(id: string): boolean {
    return LANES.some((lane) => takeOut(this.#queues[lane], (one) => one.id === id) !== undefined);
  }

  clear(): void {
    for (const lane of LANES) this.#queues[lane].length = 0;
  }
}

/** The first such item, taken out of the list. */
function takeOut<T>(list: T[], isMeant: (item: T) => boolean): T | undefined {
  const at = list.findIndex(isMeant);
  return at < 0 ? undefined : list.splice(at, 1)[0];
}
