/** The framer against RFC 6455: the cases of the Autobahn suite that apply to a relay, at every chunking. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CLOSE, OPCODE } from './frame.ts';
import { type ControlEvent, FrameError, FrameReader } from './frame-reader.ts';

const DEPTH = Number(process.env['ORIEL_TEST_DEPTH'] ?? '1');
const LIMITS = { frameBytes: 1_048_576 };

interface FrameOptions {
  readonly fin?: boolean;
  readonly rsv?: number;
  readonly isMasked?: boolean;
  readonly mask?: readonly number[];
  /** The length in this many bytes, whatever is shortest. */
  readonly lengthBytes?: 1 | 2 | 8;
}

/** A client's frame, written out byte by byte as section 5.2 draws it: apart from the code under test. */
function frame(opcode: number, payload: Uint8Array, options: FrameOptions = {}): Buffer {
  const { fin = true, rsv = 0, isMasked = true, mask = [0x37, 0xfa, 0x21, 0x3d] } = options;
  const lengthBytes = options.lengthBytes ?? (payload.length < 126 ? 1 : payload.length < 65_536 ? 2 : 8);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const first = lengthBytes === 1 ? payload.length : lengthBytes === 2 ? 126 : 127;
  head.push((isMasked ? 0x80 : 0) | first);
  for (let i = lengthBytes - 1; 0 <= i && lengthBytes !== 1; i -= 1)
    head.push(Math.floor(payload.length / 256 ** i) % 256);
  if (isMasked) head.push(...mask);
  return Buffer.concat([Buffer.from(head), isMasked ? payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0)) : payload]);
}

interface Read {
  readonly payload: Buffer;
  readonly events: readonly ControlEvent[];
  readonly error: number | undefined;
}

function readAll(bytes: Buffer, cuts: readonly number[]): Read {
  const reader = new FrameReader(LIMITS);
  const payload: Buffer[] = [];
  const events: ControlEvent[] = [];
  const edges = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < edges.length; i += 1) {
    const chunk = Buffer.from(bytes.subarray(edges[i - 1], edges[i])); // Its own memory, as a read of a socket is.
    try {
      payload.push(chunk.subarray(0, reader.read(chunk)));
    } catch (error) {
      if (!(error instanceof FrameError)) throw error;
      return { payload: Buffer.concat(payload), events, error: error.closeCode };
    }
    events.push(...reader.takeEvents());
  }
  return { payload: Buffer.concat(payload), events, error: undefined };
}

const everyByte = (bytes: Buffer): number[] => Array.from({ length: bytes.length }, (_, i) => i);
const chunkings = (bytes: Buffer): number[][] => [
  [],
  everyByte(bytes),
  [1],
  [bytes.length - 1],
  [Math.floor(bytes.length / 2)],
];
const noise = (length: number): Buffer => Buffer.from(Array.from({ length }, (_, i) => (i * 131 + 7) & 0xff));

describe('payload comes through whatever the length and the chunking', () => {
  test.for([0, 1, 2, 3, 4, 5, 7, 8, 124, 125, 126, 127, 128, 65_535, 65_536, 65_537, 131_072])('%i bytes', (length) => {
    const bytes = frame(OPCODE.binary, noise(length));
    const cuts = length < 1000 ? chunkings(bytes) : chunkings(bytes).filter((chunking) => chunking.length < 2);
    for (const chunking of cuts) {
      const read = readAll(bytes, chunking);
      expect(read.error).toBeUndefined();
      expect(read.payload.equals(noise(length))).toBe(true);
    }
  });

  test('every two cuts through frames of all three header forms', () => {
    const bytes = Buffer.concat([
      frame(OPCODE.binary, noise(5)),
      frame(OPCODE.binary, noise(130)),
      frame(OPCODE.ping, noise(3)),
    ]);
    for (let a = 0; a <= bytes.length; a += 1) {
      for (let b = a; b <= bytes.length; b += 7) {
        const read = readAll(bytes, [a, b]);
        expect(read.payload.equals(Buffer.concat([noise(5), noise(130)]))).toBe(true);
        expect(read.events).toHaveLength(1);
      }
    }
  });
});

const hello = Buffer.from('hello');
const close = (code: number, reason: Uint8Array = Buffer.alloc(0)): Buffer =>
  frame(OPCODE.close, Buffer.concat([Buffer.of(code >> 8, code & 0xff), reason]));

test.for([
  { it: 'an unfragmented binary message', bytes: [frame(2, hello)], payload: 'hello' },
  { it: 'two fragments', bytes: [frame(2, hello, { fin: false }), frame(0, hello)], payload: 'hellohello' },
  {
    it: 'fragments of nothing',
    bytes: [frame(2, Buffer.alloc(0), { fin: false }), frame(0, Buffer.alloc(0))],
    payload: '',
  },
  {
    it: 'a ping between fragments',
    bytes: [frame(2, hello, { fin: false }), frame(9, hello), frame(0, hello)],
    payload: 'hellohello',
    events: ['ping'],
  },
  {
    it: 'a pong that nobody asked for',
    bytes: [frame(10, hello), frame(2, hello)],
    payload: 'hello',
    events: ['pong'],
  },
  { it: 'a ping of 125 bytes', bytes: [frame(9, noise(125))], payload: '', events: ['ping'] },
  { it: 'an empty ping', bytes: [frame(9, Buffer.alloc(0))], payload: '', events: ['ping'] },
  {
    it: 'ten pings',
    bytes: Array.from({ length: 10 }, () => frame(9, hello)),
    payload: '',
    events: Array.from({ length: 10 }, () => 'ping'),
  },
  { it: 'a close without a code', bytes: [frame(8, Buffer.alloc(0))], payload: '', events: ['close'] },
  { it: 'a close with code and reason', bytes: [close(1000, hello)], payload: '', events: ['close'] },
  {
    it: 'a close with a reason of 123 bytes',
    bytes: [close(1000, Buffer.alloc(123, 0x61))],
    payload: '',
    events: ['close'],
  },
  { it: 'data after a close', bytes: [close(1000), frame(2, hello)], payload: '', events: ['close'] },
  { it: 'garbage after a close', bytes: [close(1000), Buffer.alloc(20, 0xff)], payload: '', events: ['close'] },
  ...[1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999].map((code) => ({
    it: `close code ${code}`,
    bytes: [close(code)],
    payload: '',
    events: ['close'],
  })),
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535].map((code) => ({
    it: `close code ${code}`,
    bytes: [close(code)],
    payload: '',
    error: CLOSE.protocolError,
  })),
  { it: 'a close of one byte', bytes: [frame(8, Buffer.of(3))], payload: '', error: CLOSE.protocolError },
  {
    it: 'a close reason that is not UTF-8',
    bytes: [close(1000, Buffer.of(0xce, 0xba, 0xe1, 0xed, 0xa0, 0x80))],
    payload: '',
    error: CLOSE.invalidData,
  },
  { it: 'a text frame', bytes: [frame(1, hello)], payload: '', error: CLOSE.unsupportedData },
  ...[3, 4, 5, 6, 7].map((opcode) => ({
    it: `data opcode ${opcode}`,
    bytes: [frame(opcode, hello)],
    payload: '',
    error: CLOSE.protocolError,
  })),
  ...[11, 12, 13, 14, 15].map((opcode) => ({
    it: `control opcode ${opcode}`,
    bytes: [frame(opcode, hello)],
    payload: '',
    error: CLOSE.protocolError,
  })),
  ...[1, 2, 3, 4, 5, 6, 7].map((rsv) => ({
    it: `reserved bits ${rsv}`,
    bytes: [frame(2, hello, { rsv })],
    payload: '',
    error: CLOSE.protocolError,
  })),
  { it: 'an unmasked frame', bytes: [frame(2, hello, { isMasked: false })], payload: '', error: CLOSE.protocolError },
  { it: 'a ping of 126 bytes', bytes: [frame(9, noise(126))], payload: '', error: CLOSE.protocolError },
  { it: 'a fragmented ping', bytes: [frame(9, hello, { fin: false })], payload: '', error: CLOSE.protocolError },
  {
    it: 'a fragmented close',
    bytes: [frame(8, Buffer.alloc(0), { fin: false })],
    payload: '',
    error: CLOSE.protocolError,
  },
  { it: 'a continuation of nothing', bytes: [frame(0, hello)], payload: '', error: CLOSE.protocolError },
  {
    it: 'a continuation after the last fragment',
    bytes: [frame(2, hello), frame(0, hello)],
    payload: 'hello',
    error: CLOSE.protocolError,
  },
  {
    it: 'a message inside a message',
    bytes: [frame(2, hello, { fin: false }), frame(2, hello)],
    payload: 'hello',
    error: CLOSE.protocolError,
  },
  {
    it: 'a length of 5 in 16 bits',
    bytes: [frame(2, hello, { lengthBytes: 2 })],
    payload: '',
    error: CLOSE.protocolError,
  },
  {
    it: 'a length of 5 in 64 bits',
    bytes: [frame(2, hello, { lengthBytes: 8 })],
    payload: '',
    error: CLOSE.protocolError,
  },
  {
    it: 'a length of 65535 in 64 bits',
    bytes: [frame(2, noise(65_535), { lengthBytes: 8 })],
    payload: '',
    error: CLOSE.protocolError,
  },
  {
    it: 'the highest bit of a length',
    bytes: [Buffer.of(0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4)],
    payload: '',
    error: CLOSE.protocolError,
  },
  {
    it: 'a frame over the limit',
    bytes: [Buffer.of(0x82, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 1, 1, 2, 3, 4)],
    payload: '',
    error: CLOSE.tooBig,
  },
] as { it: string; bytes: Buffer[]; payload: string; events?: string[]; error?: number }[])(
  'RFC 6455: $it',
  ({ bytes, payload, events = [], error }) => {
    for (const chunking of [[], everyByte(Buffer.concat(bytes))]) {
      // One chunk per frame in the first round: what came before a fault in the same chunk is lost with it.
      const edges = bytes.map((_, i) => Buffer.concat(bytes.slice(0, i)).length);
      const read = readAll(Buffer.concat(bytes), chunking.length === 0 ? edges : chunking);
      expect(read.error).toBe(error);
      expect(read.payload.toString('latin1')).toBe(payload);
      expect(read.events.map(({ kind }) => kind)).toEqual(events);
    }
  },
);

test('any frames at any chunking give the same payload and the same control frames', () => {
  const anyFrame = fc.record({
    kind: fc.constantFrom('data', 'data', 'data', 'ping', 'pong'),
    payload: fc.oneof(fc.uint8Array({ maxLength: 125 }), fc.uint8Array({ minLength: 120, maxLength: 300 })),
    mask: fc.tuple(fc.nat(255), fc.nat(255), fc.nat(255), fc.nat(255)),
    fin: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(anyFrame, { maxLength: 30 }), fc.array(fc.nat(), { maxLength: 40 }), (frames, cutSeeds) => {
      let isOpen = false;
      const wire: Buffer[] = [];
      const payload: Uint8Array[] = [];
      const controls: string[] = [];
      for (const { kind, payload: body, mask, fin } of frames) {
        if (kind === 'data') {
          wire.push(frame(isOpen ? 0 : 2, body, { mask, fin }));
          isOpen = !fin;
          payload.push(body);
        } else {
          const short = body.subarray(0, 125);
          wire.push(frame(kind === 'ping' ? 9 : 10, short, { mask }));
          controls.push(`${kind} ${Buffer.from(short).toString('hex')}`);
        }
      }
      const bytes = Buffer.concat(wire);
      const read = readAll(
        bytes,
        cutSeeds.map((seed) => seed % (bytes.length + 1)),
      );
      expect(read.error).toBeUndefined();
      expect(read.payload.equals(Buffer.concat(payload))).toBe(true);
      expect(
        read.events.map((event) => `${event.kind} ${'payload' in event ? event.payload.toString('hex') : ''}`),
      ).toEqual(controls);
    }),
    { numRuns: 300 * DEPTH },
  );
});

test('whatever comes, it ends in payload or in a FrameError, the same at every chunking', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.array(fc.nat(400), { maxLength: 10 }), (junk, cuts) => {
      const bytes = Buffer.from(junk);
      const whole = readAll(bytes, everyByte(bytes));
      const cut = readAll(
        bytes,
        cuts.filter((at) => at <= bytes.length),
      );
      expect(cut.error).toBe(whole.error);
    }),
    { numRuns: 500 * DEPTH },
  );
});

test('BOUNDED: a hundred thousand fragments of one byte leave nothing behind', () => {
  const reader = new FrameReader(LIMITS);
  const first = frame(2, Buffer.of(1), { fin: false });
  const more = frame(0, Buffer.of(1), { fin: false });
  expect(reader.read(Buffer.from(first))).toBe(1);
  const chunk = Buffer.concat(Array.from({ length: 1000 }, () => more));
  let payload = 0;
  for (let i = 0; i < 100; i += 1) payload += reader.read(Buffer.from(chunk));
  expect(payload).toBe(100_000);
  expect(reader.takeEvents()).toHaveLength(0);
});
