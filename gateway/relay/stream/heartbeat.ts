/**
 * Whether anybody is there: a ping every so often for as long as a channel lives, whatever else passes over it (proxies
 * look at each direction by itself), and an end for who lets one go unanswered.
 *
 * By a clock of its own and not by the timeout of the socket, which starts again with all that is sent: a screen that
 * blinks would keep a peer alive that vanished.
 */
export const HEARTBEAT = {
  pingEveryMs: 20_000,
  /** After a ping and without a word: a mute peer is let go within a minute. */
  patienceMs: 30_000,
  /** How often all of them are looked at. */
  lookEveryMs: 4_000,
} as const;

export interface HeartbeatLimits {
  readonly pingEveryMs: number;
  readonly patienceMs: number;
  readonly lookEveryMs: number;
}

/** What a channel knows of its peer. Times are of `performance.now()`. */
export interface Pulse {
  /** The last ping, or the beginning. */
  readonly pingedAt: number;
  /** The first ping since something was heard. */
  readonly unansweredSince: number | undefined;
  /** We do not read it now, so its silence says nothing. */
  readonly isResting: boolean;
}

/** Pure. */
export function due(now: number, pulse: Pulse, limits: HeartbeatLimits): 'nothing' | 'ping' | 'gone' {
  const { unansweredSince } = pulse;
  if (!pulse.isResting && unansweredSince !== undefined && limits.patienceMs <= now - unansweredSince) return 'gone';
  return limits.pingEveryMs <= now - pulse.pingedAt ? 'ping' : 'nothing';
}

/** One timer for all channels of a process. */
export class Heartbeat {
  readonly limits: HeartbeatLimits;
  readonly #beating = new Set<(now: number) => void>();
  #timer: NodeJS.Timeout | undefined;

  constructor(limits: HeartbeatLimits = HEARTBEAT) {
    this.limits = limits;
  }

  /** `look` is called now and then; gives what ends that. */
  add(look: (now: number) => void): () => void {
    this.#beating.add(look);
    this.#timer ??= setInterval(this.#lookAtAll, this.limits.lookEveryMs).unref();
    return () => {
      this.#beating.delete(look);
      if (0 < this.#beating.size) return;
      clearInterval(this.#timer);
      this.#timer = undefined;
    };
  }

  readonly #lookAtAll = (): void => {
    const now = performance.now();
    for (const look of this.#beating) look(now);
  };
}

/** The process's own. */
export const heartbeat: Heartbeat = new Heartbeat();
