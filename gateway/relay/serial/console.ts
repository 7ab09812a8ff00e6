/**
 * One VM's serial port and everybody who looks at it. The slowest viewer sets the pace for a while, then it is let go.
 * When the last has gone the port is kept for a while, so that who comes back finds what was said meanwhile.
 */
import { randomBytes } from 'node:crypto';
import type { DisplayEndpoint } from '@oriel/hosts';
import type { ConsoleHello, ConsolePosition } from '../../api/console.ts';
import type { Conduit, ConduitEnd, ConduitEvents, OpenChannel } from '../conduit.ts';
import type { RelayShare } from '../rfb/rfb-session.ts';
import { Backend, type BackendEvents } from '../stream/backend.ts';
import { BUFFERS, type ReadBuffer } from '../stream/buffers.ts';
import type { Channel, ChannelClose, ChannelEvents } from '../stream/channel.ts';
import { FRAME } from '../stream/frame.ts';
import { blankQueries } from './queries.ts';
import { Scrollback } from './scrollback.ts';

export const CONSOLE_LIMITS = {
  /** Shown to who comes later. */
  scrollbackBytes: 65_536,
  /** The port rests while a viewer is behind by this much, */
  backlogBytes: 65_536,
  /** but no longer than this. */
  patienceMs: 5_000,
  connectMs: 10_000,
  /** How long a port is kept that nobody looks at. */
  lingerMs: 300_000,
  /** Sessions whose beginning is remembered. */
  sessions: 64,
} as const;

export interface JoinOptions {
  readonly sessionId: string;
  readonly openChannel: OpenChannel;
  readonly isDriving: () => boolean;
  /** What was said before it came: others may have typed it. */
  readonly canSeeBefore: boolean;
  /** It wants to be told where it stands: a ConsoleHello first. */
  readonly wantsHello: boolean;
  /** Where it broke off, as it says. */
  readonly from: ConsolePosition | undefined;
  readonly events: ConduitEvents;
}

export class Console implements BackendEvents {
  readonly #backend: Backend;
  readonly #viewers = new Set<Viewer>();
  readonly #scrollback = new Scrollback(CONSOLE_LIMITS.scrollbackBytes);
  readonly #onEmpty: () => void;
  readonly #giveUp = new AbortController();
  readonly #connectTimer: NodeJS.Timeout;
  readonly #epoch = randomBytes(6).toString('base64url');
  /** Where each session came first: what was said from there on it may see again. */
  readonly #beganAt = new Map<string, number>();
  #linger: NodeJS.Timeout | undefined;
  #patience: NodeJS.Timeout | undefined;
  #isConnected = false;
  #isClosed = false;

  constructor(share: RelayShare, endpoint: () => Promise<DisplayEndpoint>, onEmpty: () => void) {
    this.#onEmpty = onEmpty;
    this.#backend = new Backend(share.pool, share.turns, this);
    this.#connectTimer = setTimeout(() => this.#close('no console in time'), CONSOLE_LIMITS.connectMs);
    void this.#dial(endpoint);
  }

  join(options: JoinOptions): Conduit {
    clearTimeout(this.#linger);
    const viewer = new Viewer(this, options);
    this.#viewers.add(viewer);
    const { replay, isContinued } = this.#replayFor(options);
    blankQueries(replay);
    const at = this.#scrollback.end - replay.byteLength;
    if (options.wantsHello) viewer.greet({ epoch: this.#epoch, at, isContinued, replayBytes: replay.byteLength });
    if (0 < replay.byteLength) viewer.show(replay);
    if (this.#isConnected) options.events.onReady();
    return viewer;
  }

  /** A copy of what it is shown of the past. */
  #replayFor({ sessionId, from, canSeeBefore }: JoinOptions): { replay: Buffer; isContinued: boolean } {
    const beganAt = this.#beganAt.get(sessionId);
    if (beganAt === undefined) this.#began(sessionId);
    const mayGoOn =
      from !== undefined && from.epoch === this.#epoch && (canSeeBefore || (beganAt ?? Infinity) <= from.at);
    const missed = mayGoOn ? this.#scrollback.since(from.at) : undefined;
    if (missed !== undefined) return { replay: missed, isContinued: true };
    return { replay: canSeeBefore ? this.#scrollback.read() : Buffer.alloc(0), isContinued: false };
  }

  #began(sessionId: string): void {
    const [oldest] = this.#beganAt.keys();
    if (oldest !== undefined && CONSOLE_LIMITS.sessions <= this.#beganAt.size) this.#beganAt.delete(oldest);
    this.#beganAt.set(sessionId, this.#scrollback.end);
  }

  /** Nobody will come back to it. */
  close(): void {
    this.#close('closed');
  }

  leave(viewer: Viewer): void {
    this.#viewers.delete(viewer);
    this.paceChanged();
    if (0 < this.#viewers.size || this.#isClosed) return;
    if (!this.#isConnected) this.#close('nobody looks');
    else this.#linger = setTimeout(() => this.#close('nobody looks'), CONSOLE_LIMITS.lingerMs).unref();
  }

  input(bytes: Buffer): void {
    this.#backend.write(bytes);
  }

  onVmBytes(buffer: ReadBuffer, length: number): boolean {
    const bytes = buffer.bytes.subarray(0, length);
    this.#scrollback.push(bytes);
    for (const viewer of this.#viewers) viewer.show(bytes);
    this.paceChanged();
    return false;
  }

  onVmDrained(): void {
    for (const viewer of this.#viewers) viewer.resumeInput();
  }

  onVmClosed(error: Error | undefined): void {
    this.#close(error?.message ?? 'closed');
  }

  get writeBacklogBytes(): number {
    return this.#backend.backlogBytes;
  }

  /** Rests while somebody is behind; whoever is still behind after a while is let go, for the sake of the others. */
  paceChanged(): void {
    const isBehind = [...this.#viewers].some((viewer) => viewer.isBehind);
    if (!isBehind) {
      clearTimeout(this.#patience);
      this.#patience = undefined;
      this.#backend.backlogGone();
      return;
    }
    this.#backend.holdForBacklog();
    this.#patience ??= setTimeout(() => {
      this.#patience = undefined;
      // Alone, it may take the time it wants: then it is its own pace only.
      if (1 < this.#viewers.size) for (const viewer of this.#viewers) if (viewer.isBehind) viewer.tooSlow();
      this.paceChanged();
    }, CONSOLE_LIMITS.patienceMs);
  }

  async #dial(endpoint: () => Promise<DisplayEndpoint>): Promise<void> {
    try {
      const found = await endpoint();
      if (this.#isClosed) return;
      this.#backend.attach(await found.dial({ signal: this.#giveUp.signal, onread: this.#backend.onread }));
      clearTimeout(this.#connectTimer);
      this.#isConnected = true;
      for (const viewer of this.#viewers) viewer.ready();
    } catch (cause) {
      this.#close(cause instanceof Error ? cause.message : 'cannot dial');
    }
  }

  #close(reason: string): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#patience);
    clearTimeout(this.#linger);
    this.#giveUp.abort();
    this.#onEmpty();
    this.#backend.destroy();
    for (const viewer of this.#viewers) viewer.vmGone(reason);
    this.#viewers.clear();
  }
}

class Viewer implements Conduit, ChannelEvents {
  readonly #console: Console;
  readonly #options: JoinOptions;
  readonly #channel: Channel;
  #isEnded = false;
  #isResting = false;
  bytesIn = 0;
  bytesOut = 0;

  constructor(console: Console, options: JoinOptions) {
    this.#console = console;
    this.#options = options;
    this.#channel = options.openChannel(this);
  }

  get isBehind(): boolean {
    return CONSOLE_LIMITS.backlogBytes < this.#channel.backlogBytes;
  }

  greet(hello: ConsoleHello): void {
    this.#send(Buffer.from(JSON.stringify(hello)));
  }

  ready(): void {
    if (!this.#isEnded) this.#options.events.onReady();
  }

  /** A copy each: a console moves little, and each viewer takes its own time. */
  show(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    for (let at = 0; at < bytes.byteLength; at += BUFFERS.largeBytes) {
      const part = bytes.subarray(at, at + BUFFERS.largeBytes);
      this.bytesOut += part.byteLength;
      this.#send(part);
    }
  }

  #send(bytes: Uint8Array): void {
    const whole = Buffer.allocUnsafe(FRAME.headroomBytes + bytes.byteLength);
    whole.set(bytes, FRAME.headroomBytes);
    this.#channel.send(whole, FRAME.headroomBytes, whole.byteLength, () => {});
  }

  onBytes(bytes: Buffer): void {
    if (this.#isEnded) return;
    this.#options.events.onInput();
    if (!this.#options.isDriving()) return; // View only: dropped here, whatever the page does.
    this.bytesIn += bytes.byteLength;
    this.#console.input(bytes);
    if (!this.#isResting && CONSOLE_LIMITS.backlogBytes < this.#console.writeBacklogBytes) {
      this.#isResting = true;
      this.#channel.pause();
    }
  }

  resumeInput(): void {
    if (!this.#isResting) return;
    this.#isResting = false;
    this.#channel.resume();
  }

  onDrained(): void {
    this.#console.paceChanged();
  }

  onClosed(how: ChannelClose): void {
    if (how.by === 'local') return;
    this.#end(
      how.by === 'fault'
        ? { by: 'viewer-fault', reason: `close code ${how.code}` }
        : { by: 'viewer', isGoodbye: how.by === 'peer' },
    );
  }

  tooSlow(): void {
    this.#end({ by: 'too-slow' });
  }
  vmGone(reason: string): void {
    this.#end({ by: 'vm', reason });
  }

  drivingChanged(): void {} // A console has no keys to let go of.

  close(code: number, reason: string): void {
    this.#end({ by: 'us' });
    this.#channel.close(code, reason);
  }

  #end(end: ConduitEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#console.leave(this);
    this.#options.events.onEnd(end);
  }
}
