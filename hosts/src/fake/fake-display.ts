/**
 * What a fake VM shows: a small grey screen over RFB 3.8 (RFC 6143) and a serial console that echoes. In memory, no socket.
 */
import { Duplex } from 'node:stream';
import { encodePng } from '../picture.ts';

export const FAKE_SCREEN = { width: 64, height: 48, grey: 0x80 } as const;

/** The guest's end of a stream; what it `says` the viewer reads. */
class GuestEnd extends Duplex {
  readonly #hear: (bytes: Uint8Array, say: (bytes: Uint8Array) => void) => void;

  constructor(hear: (bytes: Uint8Array, say: (bytes: Uint8Array) => void) => void, first: Uint8Array) {
    super({ allowHalfOpen: false });
    this.#hear = hear;
    if (0 < first.byteLength) this.push(first);
  }

  override _read(): void {
    // The guest speaks when it was spoken to.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, callback: () => void): void {
    this.#hear(chunk, (bytes) => this.push(bytes));
    callback();
  }
}

export function fakeSerial(history: string, heard: (text: string) => void): Duplex {
  return new GuestEnd((bytes, say) => {
    heard(Buffer.from(bytes).toString('latin1'));
    say(bytes);
  }, Buffer.from(history));
}

/** RFC 6143, section 7.1: version, security (none), init; then 7.5.3: one grey picture per full update asked for. */
export function fakeRfb(): Duplex {
  let pending: Uint8Array = new Uint8Array();
  let step: 'version' | 'security' | 'init' | 'running' = 'version';
  const take = (length: number): Uint8Array | undefined => {
    if (pending.byteLength < length) return undefined;
    const head = pending.subarray(0, length);
    pending = pending.subarray(length);
    return head;
  };
  const hear = (bytes: Uint8Array, say: (bytes: Uint8Array) => void): void => {
    pending = Buffer.concat([pending, bytes]);
    if (step === 'version' && take(12) !== undefined) {
      say(Uint8Array.of(1, 1));
      step = 'security';
    }
    if (step === 'security' && take(1) !== undefined) {
      say(Buffer.alloc(4));
      step = 'init';
    }
    if (step === 'init' && take(1) !== undefined) {
      say(serverInit());
      step = 'running';
    }
    while (step === 'running') {
      const length = messageLength(pending);
      const message = length === undefined ? undefined : take(length);
      if (message === undefined) return;
      if (message[0] === 3 && message[1] === 0) say(greyUpdate());
    }
  };
  return new GuestEnd(hear, Buffer.from('RFB 003.008\n'));
}

/** Of the client's message at the front, RFC 6143 section 7.5. Undefined where it cannot be told yet. */
function messageLength(bytes: Uint8Array): number | undefined {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes[0]) {
    case undefined:
      return undefined;
    case 0:
      return 20; // SetPixelFormat
    case 2:
      return bytes.byteLength < 4 ? undefined : 4 + 4 * view.getUint16(2); // SetEncodings
    case 3:
      return 10; // FramebufferUpdateRequest
    case 4:
      return 8; // KeyEvent
    case 5:
      return 6; // PointerEvent
    case 6:
      return bytes.byteLength < 8 ? undefined : 8 + view.getUint32(4); // ClientCutText
    default:
      return bytes.byteLength; // An extension: not understood, swallowed.
  }
}

function serverInit(): Uint8Array {
  const name = Buffer.from('fake');
  const init = Buffer.alloc(24 + name.byteLength);
  init.writeUInt16BE(FAKE_SCREEN.width, 0);
  init.writeUInt16BE(FAKE_SCREEN.height, 2);
  Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0]).copy(init, 4); // 32 bits, BGRX
  init.writeUInt32BE(name.byteLength, 20);
  name.copy(init, 24);
  return init;
}

function greyUpdate(): Uint8Array {
  const { width, height, grey } = FAKE_SCREEN;
  const update = Buffer.alloc(16 + width * height * 4, grey);
  update.fill(0, 0, 16);
  update.writeUInt16BE(1, 2);
  update.writeUInt16BE(width, 8);
  update.writeUInt16BE(height, 10);
  return update;
}

/** The same screen as a PNG. */
export function fakePng(): Uint8Array {
  const { width, height, grey } = FAKE_SCREEN;
  return encodePng({ width, height, channels: 1, pixels: new Uint8Array(width * height).fill(grey) });
}
