/**
 * What the VM says after the handshake, walked message by message and rectangle by rectangle: so a clipboard can be kept
 * in, a size be followed, and a VM that does not speak RFB be found out before a browser has to (S8). RFC 6143, 7.6, and
 * rfbproto "Server to Client Messages". A value machine over chunks, in place. Bodies are passed over, never collected;
 * only an extended clipboard is held, up to the limit of the clipboard.
 */
import type { ClipboardRefusal } from '../../api/session.ts';
import { ConversationError } from '../stream/conversation.ts';
import { i32At, u16At, u32At } from './big-endian.ts';
import {
  type ClipboardVerdict,
  CUT_TEXT,
  heldBytes,
  judgeExtended,
  judgeText,
  mayGo,
  SKIPPED_BYTES,
} from './clipboard.ts';
import { clipboardRules, type RfbPolicy } from './policy.ts';
import { ENCODING, FROM_VM, RFB_LIMITS, type ServerInit, sizeFault } from './protocol.ts';
import { RectWalker } from './rect-walker.ts';

export interface VmMessageEvents {
  onSize(width: number, height: number): void;
  /** rfbproto, "Extended Mouse Buttons": the VM agrees. */
  onLargeMouse(): void;
  onClipboardRefused(refusal: ClipboardRefusal): void;
}

type Phase =
  | 'message'
  | 'update'
  | 'rect'
  | 'rect-body'
  | 'colour-map'
  | 'cut-text'
  | 'cut-text-extended'
  | 'fence'
  | 'qemu'
  | 'qemu-audio'
  | 'qemu-audio-length';

const HELD_BYTES = 16;
const EMPTY = Buffer.alloc(0);

export class VmMessages {
  readonly #policy: RfbPolicy;
  readonly #events: VmMessageEvents;
  readonly #walker = new RectWalker();
  #phase: Phase = 'message';
  #need = 1;
  #skip = 0;
  #isDropping = false;
  /** The part that has come of what is needed. Its bytes have been passed on already, those of cut texts excepted. */
  #held: Buffer = Buffer.allocUnsafeSlow(HELD_BYTES);
  #heldBytes = 0;
  /** A message that passes or not as a whole waits here: the header of a cut text. */
  #waiting: Buffer = EMPTY;
  #width: number;
  #height: number;
  #rectsLeft = 0;
  #isUntilLastRect = false;
  readonly #forViewer: Buffer[];

  constructor(init: ServerInit, policy: RfbPolicy, events: VmMessageEvents, forViewer: Buffer[]) {
    this.#policy = policy;
    this.#events = events;
    this.#width = init.width;
    this.#height = init.height;
    this.#walker.setPixelFormat(init.pixelFormat);
    this.#forViewer = forViewer;
  }

  setPixelFormat(format: Uint8Array): void {
    this.#walker.setPixelFormat(format);
  }

  /** Filters `whole[from..end)` in place and gives the new end. */
  filter(whole: Buffer, from: number, end: number): number {
    let at = from;
    let out = from;
    while (at < end) {
      if (0 < this.#skip) {
        const length = Math.min(this.#skip, end - at);
        if (!this.#isDropping) {
          if (out !== at) whole.copyWithin(out, at, at + length);
          out += length;
        }
        at += length;
        this.#skip -= length;
        if (this.#skip === 0) this.#skipped();
        continue;
      }
      // See `#need` bytes: where they lie whole in this chunk, without a copy.
      const missing = this.#need - this.#heldBytes;
      const taken = Math.min(missing, end - at);
      const isWhole = this.#heldBytes === 0 && taken === this.#need;
      if (!isWhole) this.#keep(whole, at, taken);
      const seen = isWhole ? whole : this.#held;
      let place = isWhole ? at : 0;
      if (!this.#isCutText(seen, place)) {
        if (out !== at) whole.copyWithin(out, at, at + taken);
        if (isWhole) place = out; // Where it is now.
        out += taken;
      }
      at += taken;
      if (taken < missing) break; // Not enough bytes yet. Wait for the next chunk.
      this.#heldBytes = 0;
      // What passes of a cut text goes in front of what this chunk still has: here, where there is room for it.
      const passed = this.#see(seen, place);
      if (passed !== undefined) out = this.#insert(whole, out, at, from, passed);
    }
    return out;
  }

  #keep(whole: Buffer, at: number, taken: number): void {
    if (this.#held.byteLength < this.#need) {
      const grown = Buffer.allocUnsafeSlow(this.#need);
      this.#held.copy(grown, 0, 0, this.#heldBytes);
      this.#held = grown;
    }
    whole.copy(this.#held, this.#heldBytes, at, at + taken);
    this.#heldBytes += taken;
  }

  #isCutText(seen: Buffer, at: number): boolean {
    if (this.#phase === 'cut-text' || this.#phase === 'cut-text-extended') return true;
    return this.#phase === 'message' && seen[at] === FROM_VM.cutText;
  }

  /** Puts held bytes back where they were taken from, or in front of the chunk where they came with an earlier one. */
  #insert(whole: Buffer, out: number, at: number, from: number, passed: Buffer): number {
    if (passed.byteLength <= at - out) {
      passed.copy(whole, out);
      return out + passed.byteLength;
    }
    // They began in an earlier chunk, so nothing of this one has passed yet.
    if (out !== from) throw new Error('a message of two chunks behind one of the second');
    this.#forViewer.push(Buffer.from(passed));
    return out;
  }

  #expect(phase: Phase, need: number): undefined {
    this.#phase = phase;
    this.#need = need;
  }

  #pass(skip: number, isDropping: boolean, then: Phase, need: number): undefined {
    this.#phase = then;
    this.#need = need;
    this.#skip = skip;
    this.#isDropping = isDropping;
  }

  #skipped(): void {
    this.#isDropping = false;
    if (this.#phase === 'rect-body') this.#walk(EMPTY, 0);
  }

  /** One thing is to be seen at `at`, `#need` bytes long. Gives bytes that were held back and now pass. */
  #see(seen: Buffer, at: number): Buffer | undefined {
    switch (this.#phase) {
      case 'message':
        return this.#message(seen[at] ?? 0);
      case 'update': {
        const rects = u16At(seen, at + 1);
        this.#isUntilLastRect = rects === RFB_LIMITS.rects;
        this.#rectsLeft = rects;
        return rects === 0 ? this.#expect('message', 1) : this.#expect('rect', 12);
      }
      case 'rect':
        return this.#rect(seen, at);
      case 'rect-body':
        return this.#walk(seen, at);
      case 'colour-map':
        return this.#pass(6 * u16At(seen, at + 3), false, 'message', 1);
      case 'cut-text':
        return this.#cutText(seen.subarray(at, at + this.#need));
      case 'cut-text-extended':
        return this.#extendedCutText(seen.subarray(at, at + this.#need));
      case 'fence': {
        const length = seen[at + 7] ?? 0;
        if (RFB_LIMITS.fenceBytes < length) throw fault(`fence of ${length} bytes`);
        return this.#pass(length, false, 'message', 1);
      }
      case 'qemu':
        if (seen[at] !== 1) throw fault(`QEMU message ${seen[at]}`);
        return this.#expect('qemu-audio', 2);
      case 'qemu-audio': {
        const operation = u16At(seen, at);
        if (2 < operation) throw fault(`QEMU audio operation ${operation}`);
        return operation === 2 ? this.#expect('qemu-audio-length', 4) : this.#expect('message', 1);
      }
      case 'qemu-audio-length': {
        const length = u32At(seen, at);
        if (RFB_LIMITS.rectBytes < length) throw fault(`audio of ${length} bytes`);
        return this.#pass(length, false, 'message', 1);
      }
    }
  }

  #message(type: number): undefined {
    switch (type) {
      case FROM_VM.update:
        return this.#expect('update', 3);
      case FROM_VM.colourMap:
        return this.#expect('colour-map', 5);
      case FROM_VM.bell:
      case FROM_VM.endOfContinuousUpdates:
        return this.#expect('message', 1);
      case FROM_VM.cutText:
        return this.#expect('cut-text', CUT_TEXT.SIZE - 1);
      case FROM_VM.fence:
        return this.#expect('fence', 8);
      case FROM_VM.xvp:
        return this.#pass(3, false, 'message', 1);
      case FROM_VM.qemu:
        return this.#expect('qemu', 1);
      default:
        throw fault(`message type ${type}`);
    }
  }

  #rect(seen: Buffer, at: number): undefined {
    const x = u16At(seen, at);
    const y = u16At(seen, at + 2);
    const width = u16At(seen, at + 4);
    const height = u16At(seen, at + 6);
    const encoding = i32At(seen, at + 8);
    this.#rectsLeft -= 1;
    if (encoding === ENCODING.lastRect) {
      return this.#isUntilLastRect ? this.#expect('message', 1) : this.#nextRect();
    }
    // rfbproto, "ExtendedDesktopSize": y is a status; a refused resize says nothing about the size.
    if (encoding === ENCODING.desktopSize || (encoding === ENCODING.extendedDesktopSize && y === 0)) {
      const badSize = sizeFault(width, height);
      if (badSize !== undefined) throw fault(badSize);
      this.#width = width;
      this.#height = height;
      this.#events.onSize(width, height);
    } else if (isPicture(encoding) && (this.#width < x + width || this.#height < y + height)) {
      // Per side, not by area: an area that fits says nothing (S8).
      throw fault(`a rectangle of ${width}x${height} at ${x},${y} on a screen of ${this.#width}x${this.#height}`);
    } else if (!isPicture(encoding) && sizeFault(width, height) !== undefined && isCursor(encoding)) {
      throw fault(`a cursor of ${width}x${height}`);
    }
    if (encoding === ENCODING.extendedMouseButtons) this.#events.onLargeMouse();
    this.#walker.begin(width, height, encoding);
    return this.#walk(EMPTY, 0);
  }

  #walk(seen: Buffer, at: number): undefined {
    const step = this.#walker.next(seen, at);
    if (step === 0) return this.#nextRect();
    return step < 0 ? this.#expect('rect-body', -step) : this.#pass(step, false, 'rect-body', 0);
  }

  #nextRect(): undefined {
    return 0 < this.#rectsLeft ? this.#expect('rect', 12) : this.#expect('message', 1);
  }

  /** 7.6.4. `seen` is the message without its type. */
  #cutText(seen: Buffer): Buffer | undefined {
    const header = Buffer.concat([Buffer.of(FROM_VM.cutText), seen]);
    const length = header.readInt32BE(CUT_TEXT.length);
    const rules = clipboardRules(this.#policy);
    if (length < 0) {
      if (-length < 4 || SKIPPED_BYTES < -length) throw fault(`clipboard of ${-length} bytes`);
      if (heldBytes(-length, rules) === undefined) {
        this.#passes(mayGo('out', rules) ? { direction: 'out', why: 'too-large' } : 'silent');
        return this.#pass(-length, true, 'message', 1);
      }
      this.#waiting = header;
      return this.#expect('cut-text-extended', -length);
    }
    const passes = this.#passes(judgeText('out', length, rules));
    this.#pass(length, !passes, 'message', 1);
    return passes ? header : undefined;
  }

  #extendedCutText(seen: Buffer): Buffer | undefined {
    const message = Buffer.concat([this.#waiting, seen]);
    this.#waiting = EMPTY;
    this.#held = Buffer.allocUnsafeSlow(HELD_BYTES);
    this.#expect('message', 1);
    return this.#passes(judgeExtended('out', message, clipboardRules(this.#policy))) ? message : undefined;
  }

  #passes(verdict: ClipboardVerdict): boolean {
    if (typeof verdict !== 'string') this.#events.onClipboardRefused(verdict);
    return verdict === 'pass';
  }
}

function isCursor(encoding: number): boolean {
  return encoding === ENCODING.cursor || encoding === ENCODING.xCursor || encoding === ENCODING.vmwareCursor;
}

/** 7.7: the encodings that paint. The others use the rectangle's numbers for something else. */
function isPicture(encoding: number): boolean {
  return (0 <= encoding && encoding <= ENCODING.h264) || encoding === ENCODING.tightPng;
}

function fault(message: string): ConversationError {
  return new ConversationError('vm', message);
}
