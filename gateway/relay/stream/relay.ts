/**
 * Joins one viewer and one VM: bytes both ways through a conversation, the slow side sets the pace (BOUNDED: what waits in
 * this process is `backlogBytes` and one read in each direction).
 */
import type { Backend, BackendEvents } from './backend.ts';
import { BACKEND_LIMITS } from './backend.ts';
import { BUFFERS, type BufferPool, type ReadBuffer } from './buffers.ts';
import type { Channel, ChannelClose, ChannelEvents } from './channel.ts';
import { type Conversation, ConversationError } from './conversation.ts';
import { FRAME } from './frame.ts';

export const RELAY_LIMITS = {
  /** The VM rests while more than this waits for the viewer, and reads again below the second. */
  backlogBytes: 262_144,
  resumeBytes: 65_536,
} as const;

export type RelayEnd =
  | { readonly by: 'viewer'; readonly how: ChannelClose }
  | { readonly by: 'vm'; readonly error: Error | undefined }
  | { readonly by: 'protocol'; readonly error: ConversationError }
  | { readonly by: 'local' };

export interface RelayEvents {
  /** After each step of the conversation. */
  onProgress?(): void;
  /** Once. Both sides are gone or going; the viewer's channel is still open where the viewer did not close it. */
  onEnd(end: RelayEnd): void;
}

const NOTHING = (): void => {};

export class Relay implements ChannelEvents, BackendEvents {
  readonly #pool: BufferPool;
  readonly #conversation: Conversation;
  readonly #events: RelayEvents;
  #channel: Channel | undefined;
  #backend: Backend | undefined;
  /** Buffers on their way to the viewer, in the order of their writes. */
  readonly #inFlight: ReadBuffer[] = [];
  #isVmResting = false;
  #isViewerResting = false;
  #isEnded = false;
  /** Payload bytes, from the viewer and to the viewer. */
  bytesIn = 0;
  bytesOut = 0;

  constructor(pool: BufferPool, conversation: Conversation, events: RelayEvents) {
    this.#pool = pool;
    this.#conversation = conversation;
    this.#events = events;
  }

  /** The conversation begins: it may have something to say already. */
  setChannel(channel: Channel): void {
    this.#channel = channel;
    this.flush();
  }

  setBackend(backend: Backend): void {
    this.#backend = backend;
    this.flush();
  }

  /** Sends what the conversation has queued outside a read. */
  flush(): void {
    const { forVm, forViewer } = this.#conversation;
    if (0 < forVm.length && this.#backend !== undefined) {
      for (const bytes of forVm.splice(0)) this.#backend.write(bytes);
    }
    if (0 < forViewer.length && this.#channel !== undefined) {
      for (const bytes of forViewer.splice(0)) {
        const whole = Buffer.allocUnsafe(FRAME.headroomBytes + bytes.byteLength);
        whole.set(bytes, FRAME.headroomBytes);
        this.bytesOut += bytes.byteLength;
        this.#channel.send(whole, FRAME.headroomBytes, whole.byteLength, NOTHING);
      }
    }
  }

  onVmBytes(buffer: ReadBuffer, length: number): boolean {
    if (this.#isEnded) return false;
    const from = BUFFERS.headroomBytes;
    let to: number;
    try {
      to = this.#conversation.fromVm(buffer.whole, from, from + length);
    } catch (error) {
      this.#fail(error);
      return false;
    }
    this.flush();
    this.#events.onProgress?.();
    const channel = this.#channel;
    if (to === from || channel === undefined || this.#isEnded) return false;
    this.bytesOut += to - from;
    this.#inFlight.push(buffer);
    channel.send(buffer.whole, from, to, this.#onSent);
    if (!this.#isVmResting && RELAY_LIMITS.backlogBytes < channel.backlogBytes) {
      this.#isVmResting = true;
      this.#backend?.holdForBacklog();
    }
    return true;
  }

  readonly #onSent = (): void => {
    const buffer = this.#inFlight.shift();
    if (buffer !== undefined) this.#pool.give(buffer);
    if (this.#isVmResting && (this.#channel?.backlogBytes ?? 0) <= RELAY_LIMITS.resumeBytes) {
      this.#isVmResting = false;
      this.#backend?.backlogGone();
    }
  };

  onBytes(bytes: Buffer): void {
    if (this.#isEnded) return;
    let length: number;
    try {
      length = this.#conversation.fromViewer(bytes);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.flush();
    this.#events.onProgress?.();
    const backend = this.#backend;
    if (length === 0 || backend === undefined || this.#isEnded) return;
    this.bytesIn += length;
    backend.write(length === bytes.byteLength ? bytes : bytes.subarray(0, length));
    if (!this.#isViewerResting && BACKEND_LIMITS.writeBacklogBytes < backend.backlogBytes) {
      this.#isViewerResting = true;
      this.#channel?.pause();
    }
  }

  onDrained(): void {} // Each write has its own callback.

  onVmDrained(): void {
    if (!this.#isViewerResting) return;
    this.#isViewerResting = false;
    this.#channel?.resume();
  }

  onClosed(how: ChannelClose): void {
    this.#end(how.by === 'local' ? { by: 'local' } : { by: 'viewer', how });
  }

  onVmClosed(error: Error | undefined): void {
    this.#end({ by: 'vm', error });
  }

  /** Ends from our side: nothing passes any more. The viewer's channel is the caller's to close. */
  end(): void {
    this.#end({ by: 'local' });
  }

  #fail(error: unknown): void {
    if (!(error instanceof ConversationError)) throw error;
    this.#end({ by: 'protocol', error });
  }

  #end(end: RelayEnd): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#backend?.destroy();
    this.#events.onEnd(end);
  }
}
