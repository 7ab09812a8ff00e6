/** A screen: the RFB broker on a relay, from a viewer's channel to the VM that a driver dials. */
import type { DisplayEndpoint } from '@oriel/hosts';
import type { ClipboardRefusal } from '../../api/session.ts';
import type { Conduit, ConduitEnd, ConduitEvents, OpenChannel } from '../conduit.ts';
import { Backend, Turns } from '../stream/backend.ts';
import { BufferPool } from '../stream/buffers.ts';
import type { Channel } from '../stream/channel.ts';
import { Relay, type RelayEnd } from '../stream/relay.ts';
import { RfbConversation } from './conversation.ts';
import { Keyboards } from './held-keys.ts';
import type { RfbPolicy } from './policy.ts';
import type { VmCredentials } from './vm-handshake.ts';

export const DISPLAY_LIMITS = {
  /** From the open socket to a live screen. */
  handshakeMs: 10_000,
  /** Refused clipboards are told of so often. */
  refusalEveryMs: 1000,
} as const;

/** What all relays of a process share. */
export class RelayShare {
  readonly pool: BufferPool = new BufferPool();
  readonly turns: Turns = new Turns();
  readonly keyboards: Keyboards = new Keyboards();
}

export interface DisplayOptions {
  readonly share: RelayShare;
  readonly openChannel: OpenChannel;
  readonly endpoint: () => Promise<DisplayEndpoint>;
  readonly desktopId: string;
  readonly desktopName: string;
  readonly policy: RfbPolicy;
  /** Whether what the VM says is walked; needed to keep a clipboard in. */
  readonly isWalked: boolean;
  readonly bandwidthBytesPerSecond: number | null;
  readonly now: () => number;
  readonly events: ConduitEvents;
}

/** Begins at once; what comes of it is told through the events. */
export function openDisplay(options: DisplayOptions): Conduit {
  return new Display(options);
}

class Display implements Conduit {
  readonly #options: DisplayOptions;
  readonly #channel: Channel;
  readonly #relay: Relay;
  readonly #backend: Backend;
  readonly #giveUp: AbortController = new AbortController();
  readonly #timer: NodeJS.Timeout;
  readonly #conversation: RfbConversation;
  #endpoint: DisplayEndpoint | undefined;
  #tls: 'none' | 'starting' | 'up' = 'none';
  #refusedAt = Number.NEGATIVE_INFINITY;
  #isHolding = false;
  #isDialling = true;
  #isEnded = false;

  constructor(options: DisplayOptions) {
    this.#options = options;
    const { share, policy, desktopId, desktopName, isWalked, now, events } = options;
    this.#conversation = new RfbConversation({
      policy,
      keyboard: share.keyboards.enter(desktopId),
      desktopName,
      isWalked,
      now,
      events: {
        onInput: () => events.onInput(),
        onReady: () => this.#ready(),
        onSize: () => {},
        onClipboardRefused: (refusal) => this.#clipboardRefused(refusal),
      },
    });
    this.#relay = new Relay(share.pool, this.#conversation, {
      onProgress: () => this.#progress(),
      onEnd: (end) => this.#relayEnded(end),
    });
    this.#backend = new Backend(share.pool, share.turns, this.#relay);
    if (options.bandwidthBytesPerSecond !== null) this.#backend.limitRate(options.bandwidthBytesPerSecond);
    this.#timer = setTimeout(() => this.#end({ by: 'vm', reason: 'no screen in time' }), DISPLAY_LIMITS.handshakeMs);
    this.#channel = options.openChannel(this.#relay);
    this.#relay.setBackend(this.#backend);
    this.#relay.setChannel(this.#channel);
    void this.#dial();
  }

  get bytesIn(): number {
    return this.#relay.bytesIn;
  }
  get bytesOut(): number {
    return this.#relay.bytesOut;
  }

  drivingChanged(): void {
    this.#conversation.releaseKeys();
    this.#relay.flush();
  }

  close(code: number, reason: string): void {
    this.#end({ by: 'us' });
    this.#channel.close(code, reason);
  }

  async #dial(): Promise<void> {
    try {
      const endpoint = await this.#options.endpoint();
      this.#endpoint = endpoint;
      if (this.#isEnded) return;
      this.#conversation.meetVm(credentialsFor(endpoint));
      const stream = await endpoint.dial({ signal: this.#giveUp.signal, onread: this.#backend.onread });
      this.#isDialling = false;
      this.#backend.attach(stream); // Destroys it where everything has ended meanwhile.
      this.#relay.flush();
    } catch (cause) {
      this.#end({ by: 'vm', reason: cause instanceof Error ? cause.message : 'cannot dial' });
    }
  }

  #progress(): void {
    if (this.#conversation.wantsTls && this.#tls === 'none') void this.#startTls();
    if (this.#conversation.holdsVm && !this.#isHolding) {
      this.#isHolding = true;
      this.#backend.pause();
    }
  }

  async #startTls(): Promise<void> {
    this.#tls = 'starting';
    const tls = this.#endpoint?.tls;
    try {
      if (tls === undefined) throw new Error('the driver knows no certificate of this VM');
      await this.#backend.startTls({
        ca: tls.ca,
        servername: tls.serverName,
        rejectUnauthorized: true,
        minVersion: 'TLSv1.2',
      });
      this.#tls = 'up';
      this.#conversation.tlsIsUp();
      this.#relay.flush();
    } catch (cause) {
      this.#end({ by: 'vm-fault', reason: `TLS: ${cause instanceof Error ? cause.message : 'failed'}` });
    }
  }

  #clipboardRefused(refusal: ClipboardRefusal): void {
    const now = this.#options.now();
    if (now - this.#refusedAt < DISPLAY_LIMITS.refusalEveryMs) return;
    this.#refusedAt = now;
    this.#options.events.onClipboardRefused(refusal);
  }

  #ready(): void {
    clearTimeout(this.#timer);
    if (this.#isHolding) this.#backend.resume();
    this.#options.events.onReady();
  }

  #relayEnded(end: RelayEnd): void {
    switch (end.by) {
      case 'viewer':
        return this.#end(
          end.how.by === 'fault'
            ? { by: 'viewer-fault', reason: `close code ${end.how.code}` }
            : { by: 'viewer', isGoodbye: end.how.by === 'peer' },
        );
      case 'vm':
        return this.#end({ by: 'vm', reason: end.error?.message ?? 'closed' });
      case 'protocol':
        return this.#end({
          by: end.error.side === 'vm' ? 'vm-fault' : 'viewer-fault',
          reason: end.error.message,
        });
      case 'local':
        return this.#end({ by: 'us' });
    }
  }

  #end(end: ConduitEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearTimeout(this.#timer);
    if (this.#isDialling) this.#giveUp.abort();
    this.#conversation.end();
    this.#options.share.keyboards.leave(this.#options.desktopId);
    this.#relay.end();
    this.#backend.destroy();
    this.#options.events.onEnd(end);
  }
}

/**
 * What we accept from a VM follows from how it is reached: where the driver names a certificate only VeNCrypt with X509
 * will do (no fall-back: S16), where it gives a secret only VNC authentication, and else the path itself is the proof.
 */
function credentialsFor(endpoint: DisplayEndpoint): VmCredentials {
  const secret = endpoint.oneTimeSecret;
  if (endpoint.tls !== undefined) {
    return secret === undefined
      ? { accept: ['x509-none'] }
      : { accept: ['x509-plain', 'x509-vnc', 'x509-none'], secret, userName: endpoint.userName ?? '' };
  }
  return secret === undefined ? { accept: ['none'] } : { accept: ['vnc-auth'], secret };
}
