/**
 * The handshake with the viewer as a value machine: we are its RFB server. RFC 6143, 7.1 to 7.3, and its appendix for 3.3
 * and 3.7. The only security type is None: whoever gets here was let in by a ticket (TICKETED).
 */
import { ConversationError } from '../stream/conversation.ts';
import { ByteQueue } from './byte-queue.ts';
import { SECURITY } from './protocol.ts';

type Step = 'version' | 'type' | 'client-init' | 'done';

export const VERSION_3_8: Buffer = Buffer.from('RFB 003.008\n');

export class ViewerHandshake {
  readonly #pending = new ByteQueue(64);
  #step: Step = 'version';
  #minor: 3 | 7 | 8 = 8;

  /** The viewer waits for ServerInit, and may not say a word before. */
  get isDone(): boolean {
    return this.#step === 'done';
  }

  receive(chunk: Uint8Array): Buffer[] {
    if (!this.#pending.push(chunk)) throw fault(`handshake of more than ${chunk.byteLength} bytes`);
    const replies: Buffer[] = [];
    while (this.#step !== 'done') {
      const reply = this.#advance();
      if (reply === undefined) return replies; // Not enough bytes yet. Wait for the next chunk.
      if (0 < reply.byteLength) replies.push(reply);
    }
    if (0 < this.#pending.length) throw fault('a message before ServerInit');
    return replies;
  }

  #advance(): Buffer | undefined {
    switch (this.#step) {
      case 'version':
        return this.#version();
      case 'type': {
        const type = this.#pending.take(1)?.[0];
        if (type === undefined) return undefined;
        if (type !== SECURITY.none) throw fault(`security type ${type}`);
        this.#step = 'client-init';
        // SecurityResult (7.1.3), which 3.7 does not have after None.
        return this.#minor === 8 ? Buffer.alloc(4) : Buffer.alloc(0);
      }
      case 'client-init':
        if (this.#pending.take(1) === undefined) return undefined;
        this.#step = 'done'; // "shared" is ours to decide (7.3.1): it is always set towards the VM.
        return Buffer.alloc(0);
      case 'done':
        return undefined;
    }
  }

  #version(): Buffer | undefined {
    const bytes = this.#pending.take(12);
    if (bytes === undefined) return undefined;
    const match = /^RFB 003\.(\d{3})\n$/.exec(bytes.toString('latin1'));
    if (match === null) throw fault('not an RFB client');
    const minor = Number(match[1]);
    this.#minor = 8 <= minor ? 8 : minor === 7 ? 7 : 3;
    if (this.#minor === 3) {
      this.#step = 'client-init';
      return Buffer.of(0, 0, 0, SECURITY.none);
    }
    this.#step = 'type';
    return Buffer.of(1, SECURITY.none);
  }
}

function fault(message: string): ConversationError {
  return new ConversationError('viewer', message);
}
