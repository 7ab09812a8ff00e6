/** BOUNDED: how many connections one address may hold. Loopback and trusted proxies stand for many people: no limit for them. */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import { isLoopbackHost } from '../config.ts';
import type { Proxies } from './origin.ts';
import { peerOf } from './origin.ts';

/** Counts by address; `enter` gives the function that leaves, or undefined where there are too many. Pure but for its map. */
export class ConnectionCounter {
  readonly #counts = new Map<string, number>();
  readonly #most: number;

  constructor(most: number) {
    this.#most = most;
  }

  enter(address: string): (() => void) | undefined {
    const count = this.#counts.get(address) ?? 0;
    if (this.#most <= count) return undefined;
    this.#counts.set(address, count + 1);
    return () => {
      const left = (this.#counts.get(address) ?? 1) - 1;
      if (left === 0) this.#counts.delete(address);
      else this.#counts.set(address, left);
    };
  }

  /** Addresses that hold a connection now. */
  get addresses(): number {
    return this.#counts.size;
  }
}

export function limitConnections(server: Server, most: number, proxies: Proxies, refused: () => void): void {
  const counter = new ConnectionCounter(most);
  server.on('connection', (socket: Socket) => {
    const { address } = peerOf(socket.remoteAddress, false, {}, proxies);
    if (isLoopbackHost(address) || proxies.trusts(address)) return;
    const leave = counter.enter(address);
    if (leave === undefined) {
      refused();
      socket.destroy();
    } else {
      socket.once('close', leave);
    }
  });
}
