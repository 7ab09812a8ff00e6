/**
 * Signals: the first one asks the work to stop in order, so that it takes away what it began; a second one ends the process
 * at once, and temporary files with it. What would end a process without being asked for (a file too large for its limit)
 * becomes an error of the call instead.
 */

import fs from 'node:fs';
import os from 'node:os';

/** What people, terminals, systemd and batch systems end a command with. */
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGALRM', 'SIGXCPU', 'SIGPWR'] as const;

/** Why work was stopped; the `reason` of its signal. */
export class Stopped extends Error {
  override readonly name = 'Stopped';
  constructor(signal: string) {
    super(`stopped by ${signal}`);
  }
}

/** Aborts `work` at the first signal. The result takes the handlers away again. */
export function stopOnSignals(work: AbortController): () => void {
  let stopped = 0;
  const onSignal = (signal: NodeJS.Signals, number: number): void => {
    stopped += 1;
    if (stopped === 1) work.abort(new Stopped(signal));
    else process.exit(128 + number); // Its listeners take temporary files away.
  };
  const onLimit = (): void => undefined; // SIGXFSZ: the write answers EFBIG.
  const signals = ENDING.filter((signal) => !isIgnored(signal));
  for (const signal of signals) process.on(signal, onSignal);
  process.on('SIGXFSZ', onLimit);
  return () => {
    for (const signal of signals) process.removeListener(signal, onSignal);
    process.removeListener('SIGXFSZ', onLimit);
  };
}

/** True for a signal that whoever started this process wanted ignored, as `nohup` does. */
function isIgnored(signal: (typeof ENDING)[number]): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]+)$/m.exec(readStatus())?.[1] ?? '0';
  return ((BigInt(`0x${mask}`) >> BigInt(os.constants.signals[signal] - 1)) & 1n) === 1n;
}

function readStatus(): string {
  try {
    return fs.readFileSync('/proc/self/status', 'utf8');
  } catch {
    return '';
  }
}
