/**
 * The threads that serve disks: worker threads, or the service's own. Disks are spread over them, so that one that
 * waits for its storage holds up only those beside it, and several use several cores.
 */
import { Worker } from 'node:worker_threads';
import { VhdError, type VhdErrorCode } from '../../errors.ts';
import type { Fault } from '../control/api.ts';
import type { DiskHostApi } from './disk-host.ts';

/** A call into a worker, and its answer. */
export interface HostCall {
  readonly id: number;
  readonly method: keyof DiskHostApi;
  readonly args: readonly unknown[];
}

export type HostMessage =
  | { readonly kind: 'result'; readonly id: number; readonly value: unknown }
  | { readonly kind: 'error'; readonly id: number; readonly code: string; readonly message: string }
  | { readonly kind: 'fault'; readonly key: string; readonly fault: Fault | null }
  | { readonly kind: 'trouble'; readonly key: string; readonly reason: string };

/** What a thread tells by itself. */
export type HostNews = Pick<HostPoolOptions, 'onFault' | 'onTrouble'>;

export interface HostPoolOptions {
  /** Worker threads at most, which serve the file system of this machine. */
  readonly threads: number;
  /** With 0 threads: what serves in the calling thread. */
  readonly local: (news: HostNews) => DiskHostApi;
  readonly onFault: (key: string, fault: Fault | null) => void;
  /** A client of this disk was refused or cut off. */
  readonly onTrouble: (key: string, reason: string) => void;
  /** A worker died with these disks. */
  readonly onLost: (keys: readonly string[], reason: string) => void;
}

interface Seat {
  readonly host: DiskHostApi;
  readonly keys: Set<string>;
  readonly worker: Worker | undefined;
}

/** Memory that a worker's heap may take: what it needs is outside of the heap, in buffers; requests leave next to no garbage. */
const HEAP_MIB = 96;
const NURSERY_MIB = 3;

export class HostPool {
  readonly #options: HostPoolOptions;
  readonly #seats: Seat[] = [];

  constructor(options: HostPoolOptions) {
    this.#options = options;
  }

  /** The thread that serves a disk. Errors: CLOSED where none does. */
  of(key: string): DiskHostApi {
    const seat = this.#seats.find((one) => one.keys.has(key));
    if (seat === undefined) throw new VhdError('CLOSED', `${key} is not open`);
    return seat.host;
  }

  isOpen(key: string): boolean {
    return this.#seats.some((seat) => seat.keys.has(key));
  }

  /** The thread with the fewest disks takes one more; threads are started while they are fewer than allowed. */
  seat(key: string): DiskHostApi {
    const least = [...this.#seats].sort((a, b) => a.keys.size - b.keys.size)[0];
    const isRoom = this.#seats.length < Math.max(1, this.#options.threads);
    const seat = least === undefined || (0 < least.keys.size && isRoom) ? this.#start() : least;
    seat.keys.add(key);
    return seat.host;
  }

  unseat(key: string): void {
    for (const seat of this.#seats) seat.keys.delete(key);
  }

  async stop(): Promise<void> {
    await Promise.all(this.#seats.splice(0).map(async (seat) => seat.worker?.terminate()));
  }

  #start(): Seat {
    const keys = new Set<string>();
    let seat: Seat;
    if (this.#options.threads === 0) {
      seat = { host: this.#options.local(this.#options), keys, worker: undefined };
    } else {
      const worker = new Worker(new URL('./host-worker.js', import.meta.url), {
        execArgv: [], // Not the flags of this process: under tests they lead from what is built to sources.
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MIB, maxYoungGenerationSizeMb: NURSERY_MIB },
      });
      const lost = (reason: string): void => {
        const index = this.#seats.indexOf(seat);
        if (index < 0) return;
        this.#seats.splice(index, 1);
        this.#options.onLost([...keys], reason);
      };
      seat = { host: remoteHost(worker, this.#options, lost), keys, worker };
    }
    this.#seats.push(seat);
    return seat;
  }
}

/** The host in a worker, called by messages. */
function remoteHost(worker: Worker, news: HostNews, onLost: (reason: string) => void): DiskHostApi {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  let lastId = 0;
  worker.on('message', (message: HostMessage) => {
    if (message.kind === 'fault') {
      news.onFault(message.key, message.fault);
      return;
    }
    if (message.kind === 'trouble') {
      news.onTrouble(message.key, message.reason);
      return;
    }
    const call = waiting.get(message.id);
    waiting.delete(message.id);
    if (message.kind === 'result') call?.resolve(message.value);
    else call?.reject(new VhdError(message.code as VhdErrorCode, message.message));
  });
  const fail = (reason: string): void => {
    for (const call of waiting.values())
      call.reject(new VhdError('SERVICE', `the thread of the disk ended: ${reason}`));
    waiting.clear();
    onLost(reason);
  };
  worker.on('error', (error: Error) => fail(error.message));
  worker.on('exit', (code) => fail(`exit ${code}`));
  const call =
    (method: keyof DiskHostApi) =>
    (...args: readonly unknown[]): Promise<never> =>
      new Promise((resolve, reject) => {
        lastId += 1;
        waiting.set(lastId, { resolve: resolve as (value: unknown) => void, reject });
        worker.postMessage({ id: lastId, method, args } satisfies HostCall);
      });
  return {
    open: call('open'),
    lease: call('lease'),
    close: call('close'),
    report: call('report'),
    setRates: call('setRates'),
    setSnapshots: call('setSnapshots'),
    hold: call('hold'),
    release: call('release'),
    push: call('push'),
    pushed: call('pushed'),
    splice: call('splice'),
    copyUp: call('copyUp'),
    flush: call('flush'),
    links: call('links'),
    detach: call('detach'),
    reopen: call('reopen'),
    disconnect: call('disconnect'),
  };
}
