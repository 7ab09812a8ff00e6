/** Who has a file open, by what Linux tells of its processes (`/proc`). Of processes of other users it may tell nothing. */
import fs from 'node:fs';

/** A process that has a file open. */
export interface Opener {
  readonly pid: number;
  /** The name of its program. */
  readonly program: string;
  readonly descriptor: number;
  /** True where it holds a byte-range lock of the file by this descriptor. */
  readonly hasLock: boolean;
}

/** The processes that have the file `stat` is of open, by any name. */
export function openersOf(stat: { readonly dev: number; readonly ino: number }): readonly Opener[] {
  const openers: Opener[] = [];
  for (const pid of numbersIn('/proc')) {
    for (const descriptor of numbersIn(`/proc/${pid}/fd`)) {
      try {
        const open = fs.statSync(`/proc/${pid}/fd/${descriptor}`);
        if (open.ino !== stat.ino || open.dev !== stat.dev) continue;
        const program = fs.readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        const hasLock = fs.readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, 'utf8').includes('OFDLCK');
        openers.push({ pid, program, descriptor, hasLock });
      } catch {
        // Closed meanwhile.
      }
    }
  }
  return openers;
}

function numbersIn(folder: string): readonly number[] {
  try {
    return fs.readdirSync(folder).map(Number).filter(Number.isInteger);
  } catch {
    return []; // Of another user, or gone.
  }
}
