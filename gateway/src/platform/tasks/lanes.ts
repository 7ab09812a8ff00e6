/** What runs now and what waits, in lanes: an import that copies for an hour holds up no start of a VM. First come, first served. */
export const LANE_LIMITS = {
  /** The disk service paces itself; more at once only share its disk. */
  storage: 4,
  compute: 16,
  backup: 2,
} as const;

export type Lane = keyof typeof LANE_LIMITS;

const LANES = Object.keys(LANE_LIMITS) as readonly Lane[];

export class Lanes {
  readonly #queues: Readonly<Record<Lane, string[]>> = { storage: [], compute: [], backup: [] };
  readonly #running: Record<Lane, number> = { storage: 0, compute: 0, backup: 0 };

  /** How many wait, in all lanes. */
  get waiting(): number {
    return LANES.reduce((sum, lane) => sum + this.#queues[lane].length, 0);
  }

  holds(id: string): boolean {
    return LANES.some((lane) => this.#queues[lane].includes(id));
  }

  add(id: string, lane: Lane): void {
    this.#queues[lane].push(id);
  }

  /** The next that has room, with the function that makes the room free again. */
  take(): { readonly id: string; readonly free: () => void } | undefined {
    for (const lane of LANES) {
      if (LANE_LIMITS[lane] <= this.#running[lane]) continue;
      const id = this.#queues[lane].shift();
      if (id === undefined) continue;
      this.#running[lane] += 1;
      return { id, free: () => void (this.#running[lane] -= 1) };
    }
    return undefined;
  }

  /** Takes one that waits out of its line; false: it does not wait. */
  drop(id: string): boolean {
    for (const lane of LANES) {
      const at = this.#queues[lane].indexOf(id);
      if (at < 0) continue;
      this.#queues[lane].splice(at, 1);
      return true;
    }
    return false;
  }

  clear(): void {
    for (const lane of LANES) this.#queues[lane].length = 0;
  }
}
