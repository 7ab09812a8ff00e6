/** Starts a backup worker, hands it its order and hears what comes of it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { nodeEnvironment } from '@oriel/machine';
import { VhdError, type VhdErrorCode } from '@oriel/vhd';
import type { Order, OrderName, Orders, Said } from './orders.ts';

export interface WorkerOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number | undefined) => void;
}

/** Does one order. Errors: VhdErrors of the worker; SERVICE where it died; the reason of the signal. */
export type RunWorker = <Name extends OrderName>(
  order: Order<Name>,
  options?: WorkerOptions,
) => Promise<Orders[Name]['gives']>;

/** Each thread of glibc would keep what it has freed for itself. */
const FEW_ARENAS = { MALLOC_ARENA_MAX: '2' };
const MESSAGE_CHARS = 2000;

/** `file`: the built worker. */
export function workers(file: string): RunWorker {
  const command = [process.execPath, '--max-old-space-size=256', '--expose-gc', file];
  return (order, options = {}) => run(command, order, options) as never;
}

async function run(command: readonly string[], order: Order, { signal, onProgress }: WorkerOptions): Promise<unknown> {
  signal?.throwIfAborted();
  const [program = '', ...args] = command;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: { ...nodeEnvironment(process.env), ...FEW_ARENAS },
  });
  const stop = (): void => void child.kill('SIGKILL'); // What it leaves is rubbish that a sweep finds.
  signal?.addEventListener('abort', stop, { once: true });
  let stderr = '';
  child.stderr.on('data', (chunk: Buffer) => (stderr = `${stderr}${chunk.toString('utf8')}`.slice(-MESSAGE_CHARS)));
  const ended = new Promise<number | null>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', resolve);
  });
  ended.catch(() => undefined);
  try {
    child.stdin.on('error', () => undefined); // It has ended: its end says why.
    child.stdin.end(JSON.stringify(order));
    let outcome: Extract<Said, { result: unknown } | { error: unknown }> | undefined;
    for await (const line of createInterface({ input: child.stdout })) {
      const said = JSON.parse(line) as Said;
      if ('progress' in said) onProgress?.(said.progress ?? undefined);
      else outcome ??= said;
    }
    const status = await ended;
    signal?.throwIfAborted();
    if (outcome === undefined)
      throw new VhdError('SERVICE', `the backup worker ended (${status ?? child.signalCode}): ${lastLine(stderr)}`);
    if ('error' in outcome) throw new VhdError(outcome.error.code as VhdErrorCode, outcome.error.message);
    return outcome.result;
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? 'it said nothing';
