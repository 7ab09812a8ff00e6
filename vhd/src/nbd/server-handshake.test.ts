import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { encodeOption } from './client-handshake.ts';
import { NBD_LIMITS } from './limits.ts';
import { type ExportInfo, type HandshakeOutcome, ServerHandshake } from './server-handshake.ts';
import { BASE_ALLOCATION, EXPORT_FLAG, OPT, OPTION_REPLY, REP } from './wire.ts';

const info = (name: string): ExportInfo => ({
  name,
  description: 'a disk',
  sizeBytes: 1 << 20,
  flags: EXPORT_FLAG.hasFlags,
  minimumBlockBytes: 1,
  preferredBlockBytes: 4096,
  maximumPayloadBytes: NBD_LIMITS.payloadBytes,
  contexts: [BASE_ALLOCATION, 'oriel:changed:monday'],
});

const machine = (tls: 'off' | 'required' = 'off'): ServerHandshake =>
  new ServerHandshake({
    exports: { names: () => ['a', 'b'], find: (name) => (name === 'a' || name === 'b' ? info(name) : undefined) },
    tls,
  });

const flags = (bits: number): Buffer => Buffer.from([0, 0, 0, bits]);
const named = (text: string): Buffer => {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
  bytes.writeUInt32BE(Buffer.byteLength(text), 0);
  bytes.write(text, 4);
  return bytes;
};
const u16 = (value: number): Buffer => Buffer.from([value >> 8, value & 255]);
const u32 = (value: number): Buffer =>
  Buffer.from([value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255]);
const go = (name: string): Buffer => encodeOption(OPT.go, Buffer.concat([named(name), u16(0)]));
const contexts = (option: number, name: string, ...queries: string[]): Buffer =>
  encodeOption(option, Buffer.concat([named(name), u32(queries.length), ...queries.map(named)]));

/** The types of the replies, and what followed. */
function run(
  handshake: ServerHandshake,
  ...parts: Buffer[]
): { types: number[]; outcome: HandshakeOutcome; reply: Buffer } {
  const { reply, outcome } = handshake.receive(Buffer.concat(parts));
  const types: number[] = [];
  for (let at = 0; at + OPTION_REPLY.SIZE <= reply.byteLength && reply.readUInt32BE(at) === 0x0003e889; ) {
    types.push(reply.readUInt32BE(at + OPTION_REPLY.type));
    at += OPTION_REPLY.SIZE + reply.readUInt32BE(at + OPTION_REPLY.length);
  }
  return { types, outcome, reply };
}

describe('options and what they are answered with', () => {
  test.for([
    {
      it: 'GO to a known export starts',
      send: [go('a')],
      types: [REP.info, REP.info, REP.ack],
      outcome: 'transmission',
    },
    {
      it: 'GO to another is refused, and the talk goes on',
      send: [go('x')],
      types: [REP.errUnknown],
      outcome: 'continue',
    },
    {
      it: 'INFO tells and does not start',
      send: [encodeOption(OPT.info, Buffer.concat([named('a'), u16(3), u16(1), u16(2), u16(3)]))],
      types: [REP.info, REP.info, REP.info, REP.info, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'LIST names all',
      send: [encodeOption(OPT.list)],
      types: [REP.server, REP.server, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'LIST with data is invalid',
      send: [encodeOption(OPT.list, u32(0))],
      types: [REP.errInvalid],
      outcome: 'continue',
    },
    {
      it: 'an unknown option is unsupported',
      send: [encodeOption(4711)],
      types: [REP.errUnsupported],
      outcome: 'continue',
    },
    {
      it: 'extended headers are unsupported',
      send: [encodeOption(11)],
      types: [REP.errUnsupported],
      outcome: 'continue',
    },
    {
      it: 'STARTTLS without certificates is against the policy',
      send: [encodeOption(OPT.startTls)],
      types: [REP.errPolicy],
      outcome: 'continue',
    },
    { it: 'ABORT is acknowledged and ends', send: [encodeOption(OPT.abort)], types: [REP.ack], outcome: 'aborted' },
    {
      it: 'contexts need structured replies',
      send: [contexts(OPT.setMetaContext, 'a', BASE_ALLOCATION)],
      types: [REP.errInvalid],
      outcome: 'continue',
    },
    {
      it: 'contexts are set by their names',
      send: [encodeOption(OPT.structuredReply), contexts(OPT.setMetaContext, 'a', BASE_ALLOCATION, 'what:ever')],
      types: [REP.ack, REP.metaContext, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'a namespace sets nothing',
      send: [encodeOption(OPT.structuredReply), contexts(OPT.setMetaContext, 'a', 'oriel:')],
      types: [REP.ack, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'a namespace lists all of it',
      send: [contexts(OPT.listMetaContext, 'a', 'oriel:')],
      types: [REP.metaContext, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'no query lists all',
      send: [contexts(OPT.listMetaContext, 'a')],
      types: [REP.metaContext, REP.metaContext, REP.ack],
      outcome: 'continue',
    },
    {
      it: 'contexts of an unknown export',
      send: [contexts(OPT.listMetaContext, 'x')],
      types: [REP.errUnknown],
      outcome: 'continue',
    },
    {
      it: 'GO whose name is longer than its data',
      send: [encodeOption(OPT.go, Buffer.concat([u32(900), u16(0)]))],
      types: [REP.errInvalid],
      outcome: 'continue',
    },
    {
      it: 'a query that runs over',
      send: [encodeOption(OPT.listMetaContext, Buffer.concat([named('a'), u32(1), u32(50)]))],
      types: [REP.errInvalid],
      outcome: 'continue',
    },
    {
      it: 'an option that is too long',
      send: [Buffer.concat([Buffer.from('IHAVEOPT'), u32(7), u32(NBD_LIMITS.optionBytes + 1)])],
      types: [],
      outcome: 'close',
    },
    { it: 'bad option magic', send: [Buffer.alloc(16)], types: [], outcome: 'close' },
    {
      it: 'too many options',
      send: Array.from({ length: NBD_LIMITS.handshakeOptions + 1 }, () => encodeOption(4711)),
      types: Array.from({ length: NBD_LIMITS.handshakeOptions }, () => REP.errUnsupported),
      outcome: 'close',
    },
  ])('$it', ({ send, types, outcome }) => {
    const got = run(machine(), flags(3), ...send);
    expect(got.types).toEqual(types);
    expect(got.outcome.kind).toBe(outcome);
  });

  test.for([
    { it: 'not fixed newstyle', bits: 2 },
    { it: 'unknown flags', bits: 7 },
  ])('a client that is $it is hung up on', ({ bits }) => {
    expect(run(machine(), flags(bits)).outcome.kind).toBe('close');
  });

  test('contexts that were set for one export do not hold for another', () => {
    const set = [encodeOption(OPT.structuredReply), contexts(OPT.setMetaContext, 'a', BASE_ALLOCATION)];
    const same = run(machine(), flags(3), ...set, go('a')).outcome;
    const other = run(machine(), flags(3), ...set, go('b')).outcome;
    expect(same.kind === 'transmission' && same.negotiated.contexts).toEqual([{ id: 1, name: BASE_ALLOCATION }]);
    expect(other.kind === 'transmission' && other.negotiated.contexts).toEqual([]);
  });

  test.for([
    { it: 'with the zeroes', bits: 1, bytes: 134 },
    { it: 'without the zeroes', bits: 3, bytes: 10 },
  ])('EXPORT_NAME answers $it', ({ bits, bytes }) => {
    const { reply, outcome } = run(machine(), flags(bits), encodeOption(OPT.exportName, Buffer.from('a')));
    expect(reply.byteLength).toBe(bytes);
    expect(reply.readBigUInt64BE(0)).toBe(1n << 20n);
    expect(outcome.kind).toBe('transmission');
  });

  test('EXPORT_NAME of an unknown export ends the connection, since it has no error reply', () => {
    expect(run(machine(), flags(3), encodeOption(OPT.exportName, Buffer.from('x'))).outcome.kind).toBe('close');
  });

  test('requests sent right behind GO are handed over', () => {
    const { outcome } = run(machine(), flags(3), go('a'), Buffer.from('first request'));
    expect(outcome.kind === 'transmission' && outcome.rest.toString()).toBe('first request');
  });
});

describe('TLS', () => {
  test.for([
    { it: 'GO', option: go('a') },
    { it: 'LIST', option: encodeOption(OPT.list) },
    { it: 'STRUCTURED_REPLY', option: encodeOption(OPT.structuredReply) },
  ])('$it is refused before it', ({ option }) => {
    expect(run(machine('required'), flags(3), option).types).toEqual([REP.errTlsRequired]);
  });

  test('EXPORT_NAME before it ends the connection', () => {
    expect(run(machine('required'), flags(3), encodeOption(OPT.exportName, Buffer.from('a'))).outcome.kind).toBe(
      'close',
    );
  });

  test('bytes in the clear behind STARTTLS are not taken for encrypted ones', () => {
    const together = run(machine('required'), flags(3), encodeOption(OPT.startTls), go('a'));
    expect(together.outcome.kind).toBe('close');
    const handshake = machine('required');
    expect(run(handshake, flags(3), encodeOption(OPT.startTls)).outcome.kind).toBe('start-tls');
    expect(run(handshake, go('a')).outcome.kind).toBe('close');
  });

  test('what was agreed in the clear is forgotten', () => {
    const handshake = machine('required');
    run(handshake, flags(3), encodeOption(OPT.startTls));
    handshake.secured();
    const { outcome } = run(handshake, go('a'));
    expect(outcome.kind === 'transmission' && outcome.negotiated.hasStructuredReplies).toBe(false);
    expect(run(machine('required'), flags(3), encodeOption(OPT.startTls)).types).toEqual([REP.ack]);
  });
});

describe('whatever a client sends', () => {
  const options = fc.oneof(
    fc.constantFrom(
      go('a'),
      go('x'),
      encodeOption(OPT.list),
      encodeOption(OPT.structuredReply),
      contexts(OPT.setMetaContext, 'b', 'base:'),
    ),
    fc
      .tuple(fc.integer({ min: 0, max: 12 }), fc.uint8Array({ maxLength: 40 }))
      .map(([option, data]) => encodeOption(option, data)),
    fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes)),
  );

  test('it is answered the same in any chunking, without an exception', () => {
    fc.assert(
      fc.property(
        fc.array(options, { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
        (parts, steps) => {
          const all = Buffer.concat([flags(3), ...parts]);
          const whole = machine().receive(all);
          const handshake = machine();
          const replies: Buffer[] = [];
          let last: HandshakeOutcome = { kind: 'continue' };
          for (let at = 0, step = 0; at < all.byteLength && last.kind === 'continue'; step++) {
            const count = steps[step % steps.length] ?? 1;
            const { reply, outcome } = handshake.receive(all.subarray(at, at + count));
            replies.push(reply);
            last = outcome;
            at += count;
          }
          expect(Buffer.concat(replies).equals(whole.reply)).toBe(true);
          expect(last.kind).toBe(whole.outcome.kind);
        },
      ),
      { numRuns: 300 * Number(process.env['ORIEL_TEST_DEPTH'] ?? 1) },
    );
  });
});
