/** The newest line of the audit log, in a file beside the store: shows a tail that somebody deleted. */
import { closeSync, constants, openSync, readFileSync, writeSync } from 'node:fs';
import path from 'node:path';
import type { ChainPoint } from './chain.ts';

/** Shorter than a sector. */
const ANCHOR_BYTES = 128;

export class Anchor {
  readonly #file: string;
  /** Open once a line was written. */
  #fd: number | undefined;

  constructor(folder: string) {
    this.#file = path.join(folder, 'audit-head.json');
  }

  /** Over the old one, in place; one that a power cut spoils reads as none. */
  write(point: ChainPoint): void {
    this.#fd ??= openSync(this.#file, constants.O_WRONLY | constants.O_CREAT, 0o600);
    writeSync(this.#fd, JSON.stringify(point).padEnd(ANCHOR_BYTES), 0);
  }

  /** Undefined: no line was ever written here, or the file is gone: then the chain alone must do. */
  read(): ChainPoint | undefined {
    try {
      return JSON.parse(readFileSync(this.#file, 'utf8')) as ChainPoint;
    } catch {
      return undefined;
    }
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
