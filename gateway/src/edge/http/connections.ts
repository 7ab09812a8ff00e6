/**
 * BOUNDED: how many connections one address may hold (loopback and trusted proxies stand for many people: no limit for
 * them), and how many requests are answered at once.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import { isLoopbackHost } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { networkOf } from '../../platform/network/address.ts';
import { type Proxies, peerOf } from '../api/origin.ts';

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
    const leave = counter.enter(networkOf(address));
    if (leave !== undefined) return void socket.once('close', leave);
    refused();
    socket.destroy();
  });
}

/**
 * Plain HTTP is for this machine and for the proxy that is named: whoever else connects is cut before a byte is read, as a
 * password of theirs would go in the clear.
 */
export function cutStrangers(server: Server, proxies: Proxies, cut: (address: string) => void): void {
  server.on('connection', (socket: Socket) => {
    const { address } = peerOf(socket.remoteAddress, false, {}, proxies);
    if (isLoopbackHost(address) || proxies.trusts(address)) return;
    cut(address);
    socket.destroy();
  });
}

/** Refuses what is beyond `most` at once; live event streams have a limit of their own and do not count. */
export function limitInFlight(most: number, streams: () => number): RequestHandler {
  let inFlight = 0;
  return (_request, response, next) => {
    if (most <= inFlight - streams()) {
      throw new GatewayError('UNAVAILABLE', 'too many requests at once', { retryAfterSeconds: 1 });
    }
    inFlight += 1;
    response.once('close', () => {
      inFlight -= 1;
    });
    next();
  };
}
