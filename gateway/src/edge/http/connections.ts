/**
 * BOUNDED: how many connections one address may hold (loopback and trusted proxies stand for many people: no limit for
 * them), and how many requests are answered at once, in all and of one network.
 */
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import type { RequestHandler } from 'express';
import { eventStream } from '../../../api/events.ts';
import { isLoopbackHost } from '../../config.ts';
import { GatewayError } from '../../errors.ts';
import { networkOf, widerOf } from '../../platform/network/address.ts';
import { peerOfRequest } from '../api/exchange.ts';
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

export interface ConnectionLimits {
  /** Of an IPv4 address, or of an IPv6 /64. */
  readonly perAddress: number;
  /** Of all addresses that one customer may have (`widerOf`): nobody fills the house from a thousand of theirs. */
  readonly perNetwork: number;
}

export function limitConnections(
  server: Server,
  limits: ConnectionLimits,
  proxies: Proxies,
  refused: () => void,
): void {
  const addresses = new ConnectionCounter(limits.perAddress);
  const networks = new ConnectionCounter(limits.perNetwork);
  server.on('connection', (socket: Socket) => {
    const { address } = peerOf(socket.remoteAddress, false, {}, proxies);
    if (isLoopbackHost(address) || proxies.trusts(address)) return;
    const leave = enterBoth(addresses, networkOf(address), networks, widerOf(address));
    if (leave !== undefined) return void socket.once('close', leave);
    refused();
    socket.destroy();
  });
}

/** Counted in both, or in none. */
function enterBoth(
  inner: ConnectionCounter,
  innerKey: string,
  outer: ConnectionCounter,
  outerKey: string,
): (() => void) | undefined {
  const leaveInner = inner.enter(innerKey);
  if (leaveInner === undefined) return undefined;
  const leaveOuter = outer.enter(outerKey);
  if (leaveOuter === undefined) {
    leaveInner();
    return undefined;
  }
  return () => {
    leaveInner();
    leaveOuter();
  };
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

/**
 * Refuses what is beyond `most` at once, and of one network what is beyond its part: a body may take half a minute to come,
 * and nobody keeps the others out with a thousand of them. Live event streams have a limit of their own and do not count;
 * this machine stands for many people and has all.
 */
export function limitInFlight(most: number, perNetwork: number, proxies: Proxies): RequestHandler {
  const networks = new ConnectionCounter(perNetwork);
  let inFlight = 0;
  return (request, response, next) => {
    if (request.path === EVENTS_PATH) return next();
    const { address } = peerOfRequest(request, proxies);
    const leave = isLoopbackHost(address) ? nothing : networks.enter(networkOf(address));
    if (leave === undefined || most <= inFlight) {
      leave?.();
      throw new GatewayError('UNAVAILABLE', 'too many requests at once', { retryAfterSeconds: 1 });
    }
    inFlight += 1;
    response.once('close', () => {
      inFlight -= 1;
      leave();
    });
    next();
  };
}

const EVENTS_PATH = `/api/v1${eventStream.path}`;
const nothing = (): void => undefined;
