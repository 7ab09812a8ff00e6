import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { VhdError } from '../errors.ts';
import { ClientHandshake, type ClientHandshakeOptions } from './client-handshake.ts';
import { ReplyParser } from './reply-parser.ts';
import { encodeGreeting, encodeOptionReply, ServerHandshake } from './server-handshake.ts';
import { BASE_ALLOCATION, OPT, REP } from './wire.ts';

const RUNS = 300 * Number(process.env['ORIEL_TEST_DEPTH'] ?? 1);
const options = (more: Partial<ClientHandshakeOptions> = {}): ClientHandshakeOptions => ({
  exportName: 'disk',
  contexts: [BASE_ALLOCATION],
  wantsTls: false,
  ...more,
});

const server = (): ServerHandshake =>
  new ServerHandshake({
    exports: {
      names: () => ['disk'],
      find: (name) =>
        name === 'disk'
          ? {
              name,
              description: '',
              sizeBytes: 12_345_678_901,
              flags: 1,
              minimumBlockBytes: 1,
              preferredBlockBytes: 4096,
              maximumPayloadBytes: 1 << 20,
              contexts: [BASE_ALLOCATION],
            }
          : undefined,
    },
    tls: 'off',
  });

describe('both sides of the handshake', () => {
  test.for([1, 7, 1000])('agree, %i bytes at a time', (step) => {
    const client = new ClientHandshake(options());
    const peer = server();
    let toClient = encodeGreeting();
    for (let turn = 0; turn < 10_000; turn++) {
      const chunk = toClient.subarray(0, step);
      toClient = toClient.subarray(step);
      const { reply, outcome } = client.receive(chunk);
      if (outcome.kind === 'transmission') {
        expect(outcome.negotiated).toMatchObject({
          sizeBytes: 12_345_678_901,
          flags: 1,
          hasStructuredReplies: true,
          maximumPayloadBytes: 1 << 20,
        });
        expect([...outcome.negotiated.contexts]).toEqual([[BASE_ALLOCATION, 1]]);
        return;
      }
      if (0 < reply.byteLength) toClient = Buffer.concat([toClient, peer.receive(reply).reply]);
    }
    throw new Error('the handshake does not end');
  });

  test('an export that is not there is NBD_REFUSED', () => {
    const client = new ClientHandshake(options({ exportName: 'other' }));
    const peer = server();
    let bytes = encodeGreeting();
    expect(() => {
      for (let turn = 0; turn < 10; turn++) bytes = peer.receive(client.receive(bytes).reply).reply;
    }).toThrow(expect.objectContaining({ code: 'NBD_REFUSED' }));
  });
});

describe('a server that breaks the protocol', () => {
  const upTo = (...replies: Buffer[]): Buffer => Buffer.concat([encodeGreeting(), ...replies]);
  test.for([
    { it: 'is no NBD server', bytes: Buffer.from('HTTP/1.1 400 Bad Request\r\n') },
    { it: 'answers what was not asked', bytes: upTo(encodeOptionReply(OPT.list, REP.ack)) },
    {
      it: 'sends a reply of a gigabyte',
      bytes: upTo(
        Buffer.concat([encodeOptionReply(OPT.structuredReply, REP.ack).subarray(0, 16), Buffer.from([0x40, 0, 0, 0])]),
      ),
    },
    {
      it: 'acknowledges GO without the export',
      bytes: upTo(encodeOptionReply(OPT.structuredReply, REP.errUnsupported), encodeOptionReply(OPT.go, REP.ack)),
    },
  ])('$it: NBD_PROTOCOL', ({ bytes }) => {
    expect(() => new ClientHandshake(options()).receive(bytes)).toThrow(
      expect.objectContaining({ code: 'NBD_PROTOCOL' }),
    );
  });

  test('STARTTLS that is refused is an error, never a step back to the clear', () => {
    const client = new ClientHandshake(options({ wantsTls: true }));
    expect(() => client.receive(upTo(encodeOptionReply(OPT.startTls, REP.errPolicy)))).toThrow(
      expect.objectContaining({ code: 'NBD_REFUSED' }),
    );
  });

  test('any bytes are an outcome or a VhdError', () => {
    const types = fc.constantFrom(REP.ack, REP.info, REP.metaContext, REP.errInvalid, REP.errTlsRequired);
    const replies = fc.tuple(
      fc.constantFrom(OPT.structuredReply, OPT.setMetaContext, OPT.go),
      types,
      fc.uint8Array({ maxLength: 20 }),
    );
    const bytes = fc.array(
      fc.oneof(
        replies.map(([option, type, data]) => encodeOptionReply(option, type, data)),
        fc.uint8Array({ maxLength: 30 }).map((raw) => Buffer.from(raw)),
      ),
    );
    fc.assert(
      fc.property(bytes, (parts) => {
        try {
          new ClientHandshake(options()).receive(upTo(...parts));
        } catch (error) {
          expect(error).toBeInstanceOf(VhdError);
        }
      }),
      { numRuns: RUNS },
    );
  });

  test('any bytes as replies are parts or a VhdError, and the same in any chunking', () => {
    const magic = fc.constantFrom('67446698', '668e33ef').map((hex) => Buffer.from(hex, 'hex'));
    const piece = fc
      .tuple(magic, fc.uint8Array({ maxLength: 40 }))
      .map(([head, tail]) => Buffer.concat([head, Buffer.from(tail)]));
    const parse = (chunks: readonly Buffer[]): string => {
      const parser = new ReplyParser({ hasStructuredReplies: true, openRead: () => undefined });
      try {
        return JSON.stringify(chunks.flatMap((chunk) => parser.receive(chunk)));
      } catch (error) {
        expect(error).toBeInstanceOf(VhdError);
        return 'error';
      }
    };
    fc.assert(
      fc.property(fc.array(piece), (parts) => {
        const all = Buffer.concat(parts);
        expect(parse([...all].map((byte) => Buffer.from([byte])))).toBe(parse([all]));
      }),
      { numRuns: RUNS },
    );
  });
});
