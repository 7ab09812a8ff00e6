/**
 * Presses the keys of a text one after the other, no faster than they are taken: QEMU passes one change of a key on every
 * 10 ms (`key-delay-ms`) and drops what overflows its queue, and a keyboard controller holds a handful of keys.
 */
import type { Combination } from './keys.ts';

export interface TypingProgress {
  readonly done: number;
  readonly total: number;
}

export interface TypistDeps {
  readonly press: (chord: Combination) => void;
  readonly onProgress: (progress: TypingProgress | undefined) => void;
  /** Runs `task` after `ms`; gives what cancels it. */
  readonly schedule: (task: () => void, ms: number) => () => void;
}

interface Job {
  readonly chords: readonly Combination[];
  readonly resolve: (done: number) => void;
  next: number;
}

export class Typist {
  static readonly LIMITS = { strokeMs: 12, lineMs: 60 } as const;

  readonly #deps: TypistDeps;
  #jobs: Job[] = [];
  #cancel: (() => void) | undefined;

  constructor(deps: TypistDeps) {
    this.#deps = deps;
  }

  /** Behind what is being typed already. Resolves to how many were pressed: `stop` leaves the rest. */
  type(chords: readonly Combination[]): Promise<number> {
    if (chords.length === 0) return Promise.resolve(0);
    return new Promise((resolve) => {
      this.#jobs.push({ chords, resolve, next: 0 });
      if (this.#cancel === undefined) this.#step();
      else this.#tell();
    });
  }

  stop(): void {
    this.#cancel?.();
    this.#cancel = undefined;
    for (const job of this.#jobs.splice(0)) job.resolve(job.next);
    this.#tell();
  }

  #step(): void {
    this.#cancel = undefined;
    const job = this.#jobs[0];
    const chord = job?.chords[job.next];
    if (job === undefined) return;
    if (chord === undefined) {
      this.#jobs.shift();
      job.resolve(job.next);
      this.#tell();
      this.#step();
      return;
    }
    job.next += 1;
    this.#deps.press(chord);
    this.#tell();
    this.#cancel = this.#deps.schedule(() => this.#step(), pauseMs(chord));
  }

  #tell(): void {
    const total = this.#jobs.reduce((sum, { chords }) => sum + chords.length, 0);
    const done = this.#jobs.reduce((sum, { next }) => sum + next, 0);
    this.#deps.onProgress(total === 0 ? undefined : { done, total });
  }
}

/** How long a guest has for it: each key goes down and up; a line may be carried out. */
export function pauseMs(chord: Combination): number {
  const isLine = chord.at(-1)?.code === 'Enter';
  return chord.length * 2 * Typist.LIMITS.strokeMs + (isLine ? Typist.LIMITS.lineMs : 0);
}
