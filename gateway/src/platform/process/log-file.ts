/** The gateway's log as a file. BOUNDED: at a size it becomes `.1` and a new one begins. */
import { appendFileSync, renameSync, statSync } from 'node:fs';
import type { Cleanup } from './cleanup.ts';

export const LOG_FILE: { readonly bytes: number } = { bytes: 33_554_432 };

export interface LogDestination {
  write(line: string): void;
}

/** Lines are gathered for a moment and written together; what is gathered is written when the gateway ends. */
export function openLogFile(file: string, cleanup: Cleanup): LogDestination {
  const FLUSH_MS = 100;
  let waiting: string[] = [];
  let timer: NodeJS.Timeout | undefined;
  let size = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  const flush = (): void => {
    timer = undefined;
    const text = waiting.join('');
    waiting = [];
    if (text === '') return;
    try {
      if (LOG_FILE.bytes < size) {
        renameSync(file, `${file}.1`);
        size = 0;
      }
      appendFileSync(file, text, { mode: 0o600 });
      size += Buffer.byteLength(text);
    } catch {
      // A full disk must not end the gateway: these lines are lost.
    }
  };
  cleanup.add(() => {
    clearTimeout(timer);
    flush();
  });
  return {
    write: (line) => {
      waiting.push(line);
      timer ??= setTimeout(flush, FLUSH_MS).unref();
    },
  };
}
