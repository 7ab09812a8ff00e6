/** Our side of the handshake with a VM, in every version and security type, a byte at a time too. */
import { describe, expect, test } from 'vitest';
import { ConversationError } from '../stream/conversation.ts';
import { type VmCredentials, VmHandshake } from './vm-handshake.ts';
import { answerChallenge } from './vnc-auth.ts';

const u32 = (...values: number[]): Buffer =>
  Buffer.concat(values.map((value) => Buffer.of(value >>> 24, (value >> 16) & 255, (value >> 8) & 255, value & 255)));
const version = (text: string): Buffer => Buffer.from(`RFB ${text}\n`);
const init = (width = 800, height = 600, name = 'vm'): Buffer =>
  Buffer.concat([
    Buffer.of(
      width >> 8,
      width & 255,
      height >> 8,
      height & 255,
      32,
      24,
      0,
      1,
      0,
      255,
      0,
      255,
      0,
      255,
      16,
      8,
      0,
      0,
      0,
      0,
    ),
    u32(name.length),
    Buffer.from(name),
  ]);

/** Says the parts one after the other; gives what was answered. Whole, or byte by byte. */
function talk(
  credentials: VmCredentials,
  parts: readonly Buffer[],
  byByte = false,
): { said: string; handshake: VmHandshake } {
  const handshake = new VmHandshake(credentials);
  const said: Buffer[] = [];
  for (const part of parts) {
    for (const piece of byByte ? [...part].map((byte) => Buffer.of(byte)) : [part])
      said.push(...handshake.receive(piece));
  }
  return { said: Buffer.concat(said).toString('hex'), handshake };
}
const hex = (...parts: (Buffer | string)[]): string =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : part))).toString('hex');

const NONE: VmCredentials = { accept: ['none'] };
const VNC: VmCredentials = { accept: ['vnc-auth'], secret: 'secret12' };
const challenge = Buffer.from('000102030405060708090a0b0c0d0e0f', 'hex');
const answer = answerChallenge(challenge, 'secret12');

describe.for([false, true])('byte by byte: %s', (byByte) => {
  test.for([
    {
      it: '3.8, None',
      credentials: NONE,
      parts: [version('003.008'), Buffer.of(1, 1), u32(0), init()],
      said: hex('RFB 003.008\n', Buffer.of(1), Buffer.of(1)),
    },
    {
      it: '3.7, None',
      credentials: NONE,
      parts: [version('003.007'), Buffer.of(1, 1), init()],
      said: hex('RFB 003.007\n', Buffer.of(1), Buffer.of(1)),
    },
    {
      it: '3.3, None',
      credentials: NONE,
      parts: [version('003.003'), u32(1), init()],
      said: hex('RFB 003.003\n', Buffer.of(1)),
    },
    {
      it: '3.5 counts as 3.3',
      credentials: NONE,
      parts: [version('003.005'), u32(1), init()],
      said: hex('RFB 003.003\n', Buffer.of(1)),
    },
    {
      it: '3.889 counts as 3.8',
      credentials: NONE,
      parts: [version('003.889'), Buffer.of(1, 1), u32(0), init()],
      said: hex('RFB 003.008\n', Buffer.of(1), Buffer.of(1)),
    },
    {
      it: '4.1 counts as 3.8',
      credentials: NONE,
      parts: [version('004.001'), Buffer.of(1, 1), u32(0), init()],
      said: hex('RFB 003.008\n', Buffer.of(1), Buffer.of(1)),
    },
    {
      it: '3.8, VNC',
      credentials: VNC,
      parts: [version('003.008'), Buffer.of(2, 1, 2), challenge, u32(0), init()],
      said: hex('RFB 003.008\n', Buffer.of(2), answer, Buffer.of(1)),
    },
    {
      it: '3.7, VNC',
      credentials: VNC,
      parts: [version('003.007'), Buffer.of(1, 2), challenge, u32(0), init()],
      said: hex('RFB 003.007\n', Buffer.of(2), answer, Buffer.of(1)),
    },
    {
      it: '3.3, VNC',
      credentials: VNC,
      parts: [version('003.003'), u32(2), challenge, u32(0), init()],
      said: hex('RFB 003.003\n', answer, Buffer.of(1)),
    },
  ])('$it', ({ credentials, parts, said }) => {
    const talked = talk(credentials, parts, byByte);
    expect(talked.said).toBe(said);
    expect(talked.handshake.step).toBe('done');
    expect(talked.handshake.serverInit).toMatchObject({ width: 800, height: 600, name: 'vm' });
  });

  test.for([
    { it: 'another protocol', parts: [Buffer.from('SSH-2.0-Open')], says: /not an RFB server/ },
    {
      it: 'only VNC authentication where None is expected',
      parts: [version('003.008'), Buffer.of(1, 2)],
      says: /types 2 are refused/,
    },
    {
      it: 'VNC authentication in 3.3 where None is expected',
      parts: [version('003.003'), u32(2)],
      says: /type 2 is refused/,
    },
    {
      it: 'a refusal with a reason',
      parts: [version('003.008'), Buffer.of(0), u32(4), Buffer.from('<b>!')],
      says: /the VM refuses: "<b>!"/,
    },
    { it: 'a refusal in 3.3', parts: [version('003.003'), u32(0), u32(2), Buffer.from('no')], says: /refuses: "no"/ },
    {
      it: 'a failed result',
      parts: [version('003.008'), Buffer.of(1, 1), u32(1), u32(3), Buffer.from('bad')],
      says: /refuses: "bad"/,
    },
    {
      it: 'S8 a reason without end',
      parts: [version('003.008'), Buffer.of(0), u32(0xffffffff), Buffer.alloc(4096, 0x61)],
      says: /refuses: "a{256}"/,
    },
    {
      it: 'S8 a name without end',
      parts: [version('003.008'), Buffer.of(1, 1), u32(0), init().subarray(0, 20), u32(0x7fffffff)],
      says: /a name of/,
    },
    {
      it: 'S8 a screen without end',
      parts: [version('003.008'), Buffer.of(1, 1), u32(0), init(65_535, 65_535)],
      says: /screen of 65535x65535/,
    },
    {
      it: 'too many security types',
      parts: [version('003.008'), Buffer.of(255), Buffer.alloc(255, 1)],
      says: /255 security types/,
    },
  ])('$it is the end', ({ parts, says }) => {
    expect(() => talk(NONE, parts, byByte)).toThrow(says);
  });
});

describe('VeNCrypt', () => {
  const X509: VmCredentials = { accept: ['x509-plain', 'x509-vnc', 'x509-none'], secret: 'pässword', userName: 'ünn' };
  const begin = [version('003.008'), Buffer.of(2, 19, 1), Buffer.of(0, 2)];
  const offer = (...subtypes: number[]): Buffer[] => [
    ...begin,
    Buffer.concat([Buffer.of(0, subtypes.length), u32(...subtypes)]),
  ];

  test.for([
    { it: 'None', offered: [257, 260], chosen: 260, after: [u32(0), init()], said: hex(Buffer.of(1)) },
    {
      it: 'VNC',
      offered: [261, 260],
      chosen: 261,
      after: [challenge, u32(0), init()],
      said: hex(answerChallenge(challenge, 'pässword'), Buffer.of(1)),
    },
    {
      it: 'Plain',
      offered: [262, 261],
      chosen: 262,
      after: [u32(0), init()],
      said: hex(u32(4, 9), 'ünnpässword', Buffer.of(1)),
    },
    // Seen to fail with `secret.length` where `password.byteLength` is written.
  ])('X509 with $it (S11: lengths are of bytes, not of characters)', ({ offered, chosen, after, said }) => {
    const { said: clear, handshake } = talk(X509, [...offer(...offered), Buffer.of(1)]);
    expect(clear).toBe(hex('RFB 003.008\n', Buffer.of(19), Buffer.of(0, 2), u32(chosen)));
    expect(handshake.step).toBe('tls');
    const secure = [...handshake.tlsIsUp(), ...after.flatMap((part) => handshake.receive(part))];
    expect(hex(...secure)).toBe(said);
    expect(handshake.step).toBe('done');
  });

  test.for([
    { it: 'anonymous TLS only', parts: offer(256, 257, 258), says: /subtypes 256, 257, 258 are refused/ },
    { it: 'no VeNCrypt at all', parts: [version('003.008'), Buffer.of(2, 1, 2)], says: /types 1, 2 are refused/ },
    { it: 'None in 3.3', parts: [version('003.003'), u32(1)], says: /type 1 is refused/ },
    { it: 'VeNCrypt 0.1', parts: [version('003.008'), Buffer.of(1, 19), Buffer.of(0, 1)], says: /VeNCrypt 0.1/ },
    { it: 'a refusal to start TLS', parts: [...offer(260), Buffer.of(0)], says: /does not start TLS/ },
    // Seen to fail with a VeNCrypt subtype that is none of ours taken for one.
  ])('S16: a VM that must prove itself and offers $it is refused', ({ parts, says }) => {
    expect(() => talk({ accept: ['x509-none'] }, parts)).toThrow(says);
  });

  test('S16: clear bytes in front of TLS are a forgery', () => {
    const { handshake } = talk({ accept: ['x509-none'] }, [...offer(260), Buffer.concat([Buffer.of(1), u32(0)])]);
    expect(() => handshake.tlsIsUp()).toThrow(/clear bytes/);
  });
});

// This is what VNC authentication is; there is nothing of ours in it to take out. What keeps us is not to rely on it: unix
// sockets of mode 0600, or a certificate.
test('S15: only eight characters of a VNC password count, so ours are one-time and never travel alone', () => {
  expect(answerChallenge(challenge, 'secret12extra').equals(answerChallenge(challenge, 'secret12WRONGTAIL'))).toBe(
    true,
  );
  expect(answerChallenge(challenge, 'secret12').equals(answerChallenge(challenge, 'secret13'))).toBe(false);
});

test('BOUNDED: a handshake without end is cut off', () => {
  const handshake = new VmHandshake(NONE);
  handshake.receive(version('003.008'));
  handshake.receive(Buffer.of(1, 1));
  handshake.receive(u32(0));
  expect(() => {
    for (let i = 0; i < 1000; i += 1) handshake.receive(Buffer.alloc(1024, 0xff));
  }).toThrow(ConversationError);
});
