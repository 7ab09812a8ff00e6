/**
 * Serial consoles: raw bytes between viewers and a VM's serial port. QEMU's serial socket takes one client at a time, so
 * the viewers of a desktop share one connection; a newcomer is shown the latest output first.
 */
import type { DisplayEndpoint } from '@oriel/hosts';
import type { Conduit } from '../conduit.ts';
import type { RelayShare } from '../rfb/rfb-session.ts';
import { Console, type JoinOptions } from './console.ts';

export interface ConsoleOptions extends JoinOptions {
  readonly desktopId: string;
  readonly endpoint: () => Promise<DisplayEndpoint>;
}

export class Consoles {
  readonly #share: RelayShare;
  readonly #open = new Map<string, Console>();

  constructor(share: RelayShare) {
    this.#share = share;
  }

  open(options: ConsoleOptions): Conduit {
    const { desktopId } = options;
    let shared = this.#open.get(desktopId);
    if (shared === undefined) {
      const fresh = new Console(this.#share, options.endpoint, () => {
        if (this.#open.get(desktopId) === fresh) this.#open.delete(desktopId);
      });
      shared = fresh;
      this.#open.set(desktopId, shared);
    }
    return shared.join(options);
  }

  close(): void {
    for (const console of this.#open.values()) console.close();
  }
}
