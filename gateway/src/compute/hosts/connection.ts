/**
 * One host, kept connected: opens a driver, follows its events, and when it is lost opens another after a while. What it
 * last saw of each VM is the gateway's picture of the host; nobody else asks the driver for it.
 */
import type { Cursor, HostDriver, HostInfo, VmId, VmObservation } from '@oriel/hosts';
import type { Logger } from '../../log.ts';
import { keepConnected } from '../../platform/process/keep-connected.ts';

export const CONNECTION = { connectMs: 30_000 } as const;

export type ConnectionState =
  | { readonly state: 'connecting' }
  | { readonly state: 'connected'; readonly driver: HostDriver; readonly info: HostInfo }
  | { readonly state: 'unreachable'; readonly reason: string };

export interface ConnectionOptions {
  /** A new driver for each try: a driver connects once. */
  readonly open: () => Promise<HostDriver>;
  readonly log: Logger;
  /** A VM was seen to change, or the whole host did (`undefined`). */
  readonly onChange: (vm: VmId | undefined) => void;
  readonly onReset?: (vm: VmId, by: 'guest' | 'host') => void;
  readonly retryFirstMs?: number;
}

export class HostConnection {
  readonly #options: ConnectionOptions;
  readonly #closing = new AbortController();
  #state: ConnectionState = { state: 'connecting' };
  #vms = new Map<VmId, VmObservation>();
  #settled: Promise<void> | undefined;
  #firstTry: { promise: Promise<void>; resolve: () => void };

  constructor(options: ConnectionOptions) {
    this.#options = options;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => (resolve = done));
    this.#firstTry = { promise, resolve };
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The driver, where the host is connected. */
  get driver(): HostDriver | undefined {
    return this.#state.state === 'connected' ? this.#state.driver : undefined;
  }

  get vms(): ReadonlyMap<VmId, VmObservation> {
    return this.#vms;
  }

  /** Starts to connect; returns at once. */
  start(): void {
    const { log, retryFirstMs } = this.#options;
    this.#settled ??= keepConnected({
      connect: (isUp) => this.#connectAndFollow(isUp),
      lost: (error) => {
        log.warn({ err: error }, 'host-lost');
        this.#become({ state: 'unreachable', reason: error instanceof Error ? error.message : String(error) });
        this.#firstTry.resolve();
      },
      signal: this.#closing.signal,
      ...(retryFirstMs === undefined ? {} : { firstMs: retryFirstMs }),
    });
  }

  /** Resolves when the first try has ended, in whatever way. */
  async tried(): Promise<void> {
    await this.#firstTry.promise;
  }

  /** A newer picture of one VM, as a driver's call just gave it: no need to wait for the event. */
  saw(observation: VmObservation): void {
    this.#vms.set(observation.id, observation);
    this.#options.onChange(observation.id);
  }

  forgot(id: VmId): void {
    if (this.#vms.delete(id)) this.#options.onChange(id);
  }

  /** OUTLIVE: lets go of the host; its VMs run on. */
  async close(): Promise<void> {
    this.#closing.abort();
    await this.#settled;
  }

  /** Returns or throws when the host is lost. */
  async #connectAndFollow(onConnected: () => void): Promise<void> {
    const { signal } = this.#closing;
    const driver = await this.#options.open();
    try {
      const info = await driver.connect({
        signal: AbortSignal.any([signal, AbortSignal.timeout(CONNECTION.connectMs)]),
      });
      onConnected();
      let cursor: Cursor | undefined;
      for await (const event of driver.watch(cursor, { signal })) {
        cursor = event.cursor;
        switch (event.kind) {
          case 'resync':
            this.#vms = new Map(event.vms.map((vm) => [vm.id, vm]));
            this.#become({ state: 'connected', driver, info });
            this.#firstTry.resolve();
            break;
          case 'state':
            this.saw(event.observation);
            break;
          case 'removed':
            this.forgot(event.vm);
            break;
          case 'reset':
            this.#options.onReset?.(event.vm, event.by);
            break;
          case 'host':
            this.#become(
              event.isReachable
                ? { state: 'connected', driver, info }
                : { state: 'unreachable', reason: event.message },
            );
            break;
          case 'agent':
          case 'device':
          case 'task':
            break;
        }
      }
      if (!signal.aborted) throw new Error('the host ended its stream of events');
    } finally {
      await driver.close().catch((error: unknown) => this.#options.log.warn({ err: error }, 'host-close-failed'));
    }
  }

  #become(state: ConnectionState): void {
    this.#state = state;
    this.#options.onChange(undefined);
  }
}
