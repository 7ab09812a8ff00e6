/**
 * Asking a guest for another screen size, as a VNC viewer does: QEMU has no QMP command for it. A viewer of one message:
 * handshake, SetEncodings, SetDesktopSize, and the answer. Spec: RFC 6143 section 7 and the RFB community specification,
 * "SetDesktopSize" and "ExtendedDesktopSize Pseudo-encoding".
 */
import type { Socket } from 'node:net';
import { HostError } from '../../errors.ts';

export const RESIZE_LIMITS = { replyBytes: 67_108_864, waitMs: 3_000, side: 16_384 } as const;

const EXTENDED_DESKTOP_SIZE = -308;
/** Of a rectangle with that encoding whose x is 1: the answer to this client. */
const FROM_THIS_CLIENT = 1;

/** 0: done. 1: prohibited. 2: out of resources. 3: invalid layout. 4: forwarded to the guest. */
export type ResizeStatus = number;

export function setEncodings(): Uint8Array {
  const message = Buffer.alloc(8);
  message[0] = 2; //                              u8   SetEncodings
  message.writeUInt16BE(1, 2); //                 u16  one encoding
  message.writeInt32BE(EXTENDED_DESKTOP_SIZE, 4); // s32
  return message;
}

/** A full update of one pixel: the server tells about its screens with the first. */
export function updateRequest(): Uint8Array {
  const message = Buffer.alloc(10);
  message[0] = 3; //                 u8   FramebufferUpdateRequest
  message.writeUInt16BE(1, 6); //    u16  width
  message.writeUInt16BE(1, 8); //    u16  height
  return message;
}

export function setDesktopSize(width: number, height: number): Uint8Array {
  const message = Buffer.alloc(24);
  message[0] = 251; //               u8   SetDesktopSize, one byte of padding
  message.writeUInt16BE(width, 2); //  u16
  message.writeUInt16BE(height, 4); // u16
  message[6] = 1; //                 u8   one screen, one byte of padding; its id, x and y are zero
  message.writeUInt16BE(width, 16); // u16
  message.writeUInt16BE(height, 18); // u16
  return message;
}

/** Reads fixed lengths off a socket, in order, with an end. */
class Reader {
  readonly #chunks: AsyncIterator<Buffer>;
  #have: Buffer = Buffer.alloc(0);
  #total = 0;

  constructor(socket: Socket) {
    this.#chunks = (socket as AsyncIterable<Buffer>)[Symbol.asyncIterator]();
  }

  async take(length: number): Promise<Buffer> {
    while (this.#have.byteLength < length) {
      const { done, value } = await this.#chunks.next();
      if (done === true)
        throw new HostError('SCREEN_UNAVAILABLE', 'the display closed while it was asked for another size');
      this.#total += value.byteLength;
      if (RESIZE_LIMITS.replyBytes < this.#total)
        throw new HostError('HOST_PROTOCOL', 'the display does not stop talking');
      this.#have = Buffer.concat([this.#have, value]);
    }
    const head = this.#have.subarray(0, length);
    this.#have = this.#have.subarray(length);
    return head;
  }
}

/** The status of the answer. The socket is the caller's to destroy. */
export async function requestSize(socket: Socket, width: number, height: number): Promise<ResizeStatus> {
  const reader = new Reader(socket);
  const timer = setTimeout(() => socket.destroy(), RESIZE_LIMITS.waitMs);
  try {
    const pixelBytes = await handshake(socket, reader);
    socket.write(Buffer.concat([setEncodings(), updateRequest()]));
    let asked = false;
    for (;;) {
      const [type] = await reader.take(1);
      if (type !== 0) throw new HostError('HOST_PROTOCOL', `the display sent message ${type} where an update was due`);
      const rectangles = (await reader.take(3)).readUInt16BE(1);
      for (let at = 0; at < rectangles; at++) {
        const status = await readRectangle(reader, pixelBytes);
        if (status !== undefined) return status;
      }
      if (!asked) socket.write(setDesktopSize(width, height));
      asked = true;
    }
  } finally {
    clearTimeout(timer);
  }
}

/** RFC 6143 section 7.1 without authentication. Gives the bytes per pixel. */
async function handshake(socket: Socket, reader: Reader): Promise<number> {
  await reader.take(12);
  socket.write('RFB 003.008\n');
  const [count] = await reader.take(1);
  await reader.take(count ?? 0);
  socket.write(Uint8Array.of(1)); // None
  if ((await reader.take(4)).readUInt32BE() !== 0) throw new HostError('SCREEN_UNAVAILABLE', 'the display refuses us');
  socket.write(Uint8Array.of(1)); // Shared: nobody else is put off.
  const init = await reader.take(24);
  await reader.take(init.readUInt32BE(20));
  return (init[4] ?? 32) / 8;
}

/** Undefined for pixels and for news that are not our answer. */
async function readRectangle(reader: Reader, pixelBytes: number): Promise<ResizeStatus | undefined> {
  const head = await reader.take(12);
  if (head.readInt32BE(8) !== EXTENDED_DESKTOP_SIZE) {
    await reader.take(head.readUInt16BE(4) * head.readUInt16BE(6) * pixelBytes); // Raw: we named nothing else.
    return undefined;
  }
  const [screens] = await reader.take(4);
  await reader.take((screens ?? 0) * 16);
  return head.readUInt16BE(0) === FROM_THIS_CLIENT ? head.readUInt16BE(2) : undefined;
}
