/**
 * What a viewer says after the handshake: every message is parsed, what policy refuses is taken out, the rest goes on.
 * RFC 6143, 7.5, and rfbproto "Client to Server Messages". A value machine over chunks, in place: nothing is copied while
 * messages lie whole in a chunk, and what is held between chunks is one message of bounded length.
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
import { isWalkable } from './encodings.ts';
import { HeldKeys, type Keyboard } from './held-keys.ts';
import { clipboardRules, type RfbPolicy } from './policy.ts';
import { ENCODING, PIXEL_FORMAT, QEMU_TO_VM, RFB_LIMITS, sizeFault, TO_VM } from './protocol.ts';

/** What somebody else wants to know of the messages that pass. */
export interface ViewerMessageEvents {
  /** Typed, moved or pasted, whether it passed or not: the idle clock starts again. */
  onInput(): void;
  onPixelFormat(format: Buffer): void;
  onClipboardRefused(refusal: ClipboardRefusal): void;
}

export interface ViewerMessageOptions {
  readonly policy: RfbPolicy;
  /** The VM's, which its viewers share. */
  readonly keyboard: Keyboard;
  /** The VM's messages are walked: only encodings that can be may be asked for. */
  readonly isWalked: boolean;
  readonly events: ViewerMessageEvents;
  readonly now: () => number;
  /** The VM's own, which holds until the viewer asks for another. */
  readonly pixelFormat: Buffer;
}

/** Longest message that is held whole: SetEncodings at its limit, or an extended clipboard. */
const HELD_BYTES = 4 + 4 * RFB_LIMITS.encodings;
/** Extended clipboards looked into per second; more are dropped. */
const CLIPBOARDS_PER_SECOND = 16;

const DROP = 0;

export class ViewerMessages {
  readonly #options: ViewerMessageOptions;
  readonly #keys: HeldKeys;
  #held: Buffer = Buffer.allocUnsafeSlow(64);
  #heldBytes = 0;
  /** Of a plain cut text, which is not held. */
  #bodyLeft = 0;
  #passesBody = false;
  #hasAskedForUpdate = false;
  #pixelFormat: Buffer;
  #clipboardSecond = 0;
  #clipboards = 0;
  #hasLargeMouse = false;
  /** Messages for the VM that go before the chunk being read. */
  readonly #forVm: Buffer[];

  constructor(options: ViewerMessageOptions, forVm: Buffer[]) {
    this.#options = options;
    this.#forVm = forVm;
    this.#pixelFormat = options.pixelFormat;
    this.#keys = new HeldKeys(options.policy.refusedKeys, options.keyboard);
  }

  /** The viewer has gone. */
  end(): void {
    this.#keys.end();
  }

  /** The VM agreed to the extended mouse buttons: from here on a pointer event may be seven bytes long. */
  expectLargeMouse(): void {
    this.#hasLargeMouse = true;
  }

  /** Lets go of every key: who steers has changed. False: in the middle of a message, ask again after the next chunk. */
  releaseKeys(): boolean {
    if (0 < this.#bodyLeft && this.#passesBody) return false;
    this.#forVm.push(...this.#keys.releaseAll());
    return true;
  }

  /** Gives n: the first n bytes of the chunk are what passes. */
  filter(bytes: Buffer): number {
    const end = bytes.byteLength;
    let at = 0;
    let out = 0;
    while (at < end) {
      if (0 < this.#bodyLeft) {
        const length = Math.min(this.#bodyLeft, end - at);
        if (this.#passesBody) {
          if (out !== at) bytes.copyWithin(out, at, at + length);
          out += length;
        }
        at += length;
        this.#bodyLeft -= length;
        continue;
      }
      if (0 < this.#heldBytes) {
        at = this.#fillHeld(bytes, at, end);
        continue;
      }
      const length = this.#lengthAt(bytes, at, end);
      if (length === 0 || end < at + length) {
        at = this.#hold(bytes, at, end, length);
        continue;
      }
      const kept = this.#decide(bytes, at, length);
      if (0 < kept) {
        if (out !== at) bytes.copyWithin(out, at, at + kept);
        out += kept;
      }
      at += length;
    }
    return out;
  }

  #hold(bytes: Buffer, at: number, end: number, length: number): number {
    const needed = Math.max(length, 64);
    if (this.#held.byteLength < needed) this.#held = Buffer.allocUnsafeSlow(needed);
    bytes.copy(this.#held, 0, at, end);
    this.#heldBytes = end - at;
    return end;
  }

  /** Adds to the message that began in an earlier chunk; when it is whole, it goes before what this chunk has. */
  #fillHeld(bytes: Buffer, from: number, end: number): number {
    let at = from;
    for (;;) {
      const length = this.#lengthAt(this.#held, 0, this.#heldBytes);
      if (length !== 0 && length <= this.#heldBytes) {
        const kept = this.#decide(this.#held, 0, length);
        if (0 < kept) this.#forVm.push(Buffer.from(this.#held.subarray(0, kept)));
        this.#heldBytes = 0;
        if (HELD_BYTES < this.#held.byteLength) this.#held = Buffer.allocUnsafeSlow(64);
        return at;
      }
      if (at === end) return at;
      if (this.#held.byteLength < length) {
        const grown = Buffer.allocUnsafeSlow(length);
        this.#held.copy(grown, 0, 0, this.#heldBytes);
        this.#held = grown;
      }
      // Without a length yet a byte at a time: a length is known after at most 12.
      const wanted = length === 0 ? 1 : length - this.#heldBytes;
      const taken = Math.min(wanted, end - at);
      bytes.copy(this.#held, this.#heldBytes, at, at + taken);
      this.#heldBytes += taken;
      at += taken;
    }
  }

  /** The length of the message at `at`, of a cut text that is plain or too large only the header; 0 where too little of it is there to say. */
  #lengthAt(bytes: Buffer, at: number, end: number): number {
    const has = end - at;
    const type = bytes[at] ?? 0;
    switch (type) {
      case TO_VM.setPixelFormat:
        return 20;
      case TO_VM.setEncodings: {
        if (has < 4) return 0;
        const count = u16At(bytes, at + 2);
        if (RFB_LIMITS.encodings < count) throw refused(`${count} encodings`);
        return 4 + 4 * count;
      }
      case TO_VM.updateRequest:
      case TO_VM.continuousUpdates:
        return 10;
      case TO_VM.key:
        return 8;
      case TO_VM.pointer:
        if (has < 2) return 0;
        // rfbproto, "Extended Mouse Buttons": the highest bit of the mask says that one byte more follows.
        return this.#hasLargeMouse && ((bytes[at + 1] ?? 0) & 0x80) !== 0 ? 7 : 6;
      case TO_VM.cutText: {
        if (has < CUT_TEXT.SIZE) return 0;
        const length = i32At(bytes, at + CUT_TEXT.length);
        if (0 <= length) return CUT_TEXT.SIZE;
        if (-length < 4 || SKIPPED_BYTES < -length) throw refused(`clipboard of ${-length} bytes`);
        return CUT_TEXT.SIZE + (heldBytes(-length, this.#options.policy) ?? 0);
      }
      case TO_VM.fence: {
        if (has < 9) return 0;
        const length = bytes[at + 8] ?? 0;
        if (RFB_LIMITS.fenceBytes < length) throw refused(`fence of ${length} bytes`);
        return 9 + length;
      }
      case TO_VM.xvp:
        return 4;
      case TO_VM.setDesktopSize: {
        if (has < 8) return 0;
        const screens = bytes[at + 6] ?? 0;
        if (RFB_LIMITS.screens < screens) throw refused(`${screens} screens`);
        return 8 + 16 * screens;
      }
      case TO_VM.qemu:
        return this.#qemuLengthAt(bytes, at, has);
      default:
        throw new ConversationError('viewer', `message type ${type}`);
    }
  }

  /** rfbproto, "QEMU Extended Key Event Message" and "QEMU Audio Client Message". */
  #qemuLengthAt(bytes: Buffer, at: number, has: number): number {
    if (has < 2) return 0;
    const submessage = bytes[at + 1];
    if (submessage === QEMU_TO_VM.extendedKey) return 12;
    if (submessage !== QEMU_TO_VM.audio) throw new ConversationError('viewer', `QEMU message ${submessage}`);
    if (has < 4) return 0;
    const operation = u16At(bytes, at + 2);
    if (2 < operation) throw new ConversationError('viewer', `QEMU audio operation ${operation}`);
    return operation === 2 ? 10 : 4;
  }

  /** What passes of a whole message: all its bytes, fewer (rewritten in place) or none. */
  #decide(bytes: Buffer, at: number, length: number): number {
    const { policy, events } = this.#options;
    switch (bytes[at] ?? 0) {
      case TO_VM.setPixelFormat:
        return this.#setPixelFormat(bytes.subarray(at + 4, at + 4 + PIXEL_FORMAT.SIZE), length);
      case TO_VM.setEncodings:
        return this.#setEncodings(bytes, at);
      case TO_VM.updateRequest:
        this.#hasAskedForUpdate = true;
        return length;
      case TO_VM.key: {
        events.onInput();
        const press = { keysym: u32At(bytes, at + 4), code: 0 };
        return this.#keys.passes(press, bytes[at + 1] !== 0, policy.isDriving()) ? length : DROP;
      }
      case TO_VM.pointer:
        events.onInput();
        return policy.isDriving() ? length : DROP;
      case TO_VM.cutText:
        events.onInput();
        return this.#cutText(bytes, at, length);
      case TO_VM.setDesktopSize:
        if (!policy.isDriving() || !policy.canResize) return DROP;
        if (sizeFault(u16At(bytes, at + 2), u16At(bytes, at + 4)) !== undefined) return DROP;
        return length;
      case TO_VM.xvp:
        return DROP; // Power is a right of its own, with an API of its own.
      case TO_VM.qemu: {
        if (bytes[at + 1] === QEMU_TO_VM.audio) return length;
        events.onInput();
        const press = { keysym: u32At(bytes, at + 4), code: u32At(bytes, at + 8) };
        return this.#keys.passes(press, u16At(bytes, at + 2) !== 0, policy.isDriving()) ? length : DROP;
      }
      default:
        return length;
    }
  }

  /** 7.5.1. Where the VM's messages are walked, the size of a pixel must be known when a rectangle comes. */
  #setPixelFormat(format: Buffer, length: number): number {
    if (![8, 16, 32].includes(format[PIXEL_FORMAT.bitsPerPixel] ?? 0)) throw refused('pixels of a strange size');
    if (this.#options.isWalked && this.#hasAskedForUpdate && !this.#pixelFormat.equals(format)) {
      throw refused('another pixel format after the first update request');
    }
    this.#pixelFormat = Buffer.from(format);
    this.#options.events.onPixelFormat(this.#pixelFormat);
    return length;
  }

  /** 7.5.2. Takes out what the gateway could not follow, and what policy would have to forge answers to. */
  #setEncodings(bytes: Buffer, at: number): number {
    const count = u16At(bytes, at + 2);
    let kept = 0;
    for (let i = 0; i < count; i += 1) {
      const encoding = i32At(bytes, at + 4 + 4 * i);
      if (this.#options.isWalked && !isWalkable(encoding)) continue;
      if (encoding === ENCODING.xvp) continue;
      if (encoding === ENCODING.extendedClipboard && this.#options.policy.clipboard === 'off') continue;
      // Whether the VM agreed is in its messages only, and without that a pointer event's length is a guess.
      if (encoding === ENCODING.extendedMouseButtons && !this.#options.isWalked) continue;
      bytes.writeInt32BE(encoding, at + 4 + 4 * kept);
      kept += 1;
    }
    bytes.writeUInt16BE(kept, at + 2);
    return 4 + 4 * kept;
  }

  /** 7.5.6, and "Extended Clipboard". */
  #cutText(bytes: Buffer, at: number, length: number): number {
    const rules = clipboardRules(this.#options.policy);
    const text = i32At(bytes, at + CUT_TEXT.length);
    if (0 <= text) {
      this.#bodyLeft = text;
      this.#passesBody = this.#passes(judgeText('in', text, rules));
      return this.#passesBody ? length : DROP;
    }
    if (length === CUT_TEXT.SIZE) {
      this.#bodyLeft = -text;
      this.#passesBody = false;
      this.#passes(mayGo('in', rules) ? { direction: 'in', why: 'too-large' } : 'silent');
      return DROP;
    }
    if (!this.#mayLookIntoClipboard()) return DROP;
    return this.#passes(judgeExtended('in', bytes.subarray(at, at + length), rules)) ? length : DROP;
  }

  #passes(verdict: ClipboardVerdict): boolean {
    if (typeof verdict !== 'string') this.#options.events.onClipboardRefused(verdict);
    return verdict === 'pass';
  }

  #mayLookIntoClipboard(): boolean {
    const second = Math.floor(this.#options.now() / 1000);
    if (second !== this.#clipboardSecond) {
      this.#clipboardSecond = second;
      this.#clipboards = 0;
    }
    this.#clipboards += 1;
    return this.#clipboards <= CLIPBOARDS_PER_SECOND;
  }
}

function refused(message: string): ConversationError {
  return new ConversationError('viewer', message, { isPolicy: true });
}
