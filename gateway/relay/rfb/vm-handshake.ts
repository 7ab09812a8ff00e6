/**
 * The handshake with the VM as a value machine: we are its RFB client. RFC 6143, 7.1 to 7.3, the older versions in its
 * appendix, and rfbproto "VeNCrypt". Bytes in, bytes out; knows no socket and no timer.
 */
import { ConversationError } from '../stream/conversation.ts';
import { ByteQueue } from './byte-queue.ts';
import { PIXEL_FORMAT, RFB_LIMITS, SECURITY, SERVER_INIT, type ServerInit, sizeFault, VENCRYPT } from './protocol.ts';
import { answerChallenge } from './vnc-auth.ts';

/** What the gateway accepts from a VM, best first. `x509-*` are VeNCrypt's, with CA and name checked by who does the TLS. */
export type VmSecurity = 'x509-plain' | 'x509-vnc' | 'x509-none' | 'vnc-auth' | 'none';

export interface VmCredentials {
  /** What may be used on this path. Anonymous TLS is not in the list at all (S16). */
  readonly accept: readonly VmSecurity[];
  readonly secret?: string;
  readonly userName?: string;
}

type Step =
  | 'version'
  | 'security-3.3'
  | 'security'
  | 'reason'
  | 'vencrypt-version'
  | 'vencrypt-ack'
  | 'vencrypt-accepted'
  | 'tls'
  | 'challenge'
  | 'result'
  | 'init'
  | 'done';

const SUBTYPES: Partial<Record<VmSecurity, number>> = {
  'x509-plain': VENCRYPT.x509Plain,
  'x509-vnc': VENCRYPT.x509Vnc,
  'x509-none': VENCRYPT.x509None,
};
const TYPES: Partial<Record<VmSecurity, number>> = { 'vnc-auth': SECURITY.vncAuth, none: SECURITY.none };

export class VmHandshake {
  readonly #credentials: VmCredentials;
  readonly #pending = new ByteQueue(128 * 1024);
  #step: Step = 'version';
  #minor: 3 | 7 | 8 = 8;
  #security: VmSecurity = 'none';
  #init: ServerInit | undefined;

  constructor(credentials: VmCredentials) {
    this.#credentials = credentials;
  }

  get step(): Step {
    return this.#step;
  }

  /** What the VM says about its screen; there once `step` is `done`. */
  get serverInit(): ServerInit | undefined {
    return this.#init;
  }

  /** Bytes that came after the handshake. */
  takeRest(): Buffer {
    return this.#pending.takeAll();
  }

  receive(chunk: Uint8Array): Buffer[] {
    if (!this.#pending.push(chunk)) throw fault(`more than ${this.#pending.length} bytes of handshake`);
    const replies: Buffer[] = [];
    while (this.#step !== 'done' && this.#step !== 'tls') {
      const reply = this.#advance();
      if (reply === undefined) break; // Not enough bytes yet. Wait for the next chunk.
      if (0 < reply.byteLength) replies.push(reply);
    }
    return replies;
  }

  /** The caller has put TLS under the stream and checked the certificate. */
  tlsIsUp(): Buffer[] {
    // What came in clear behind the last message of the clear part is a forgery.
    if (0 < this.#pending.length) throw fault('clear bytes in front of TLS');
    switch (this.#security) {
      case 'x509-plain':
        this.#step = 'result';
        return [plainCredentials(this.#credentials.userName ?? '', this.#credentials.secret ?? '')];
      case 'x509-vnc':
        this.#step = 'challenge';
        return [];
      case 'x509-none':
      case 'vnc-auth':
      case 'none':
        this.#step = 'result';
        return [];
    }
  }

  #advance(): Buffer | undefined {
    switch (this.#step) {
      case 'version':
        return this.#version();
      case 'security-3.3':
        return this.#security33();
      case 'security':
        return this.#securityTypes();
      case 'reason':
        return this.#reason();
      case 'vencrypt-version':
        return this.#veNCryptVersion();
      case 'vencrypt-ack':
        return this.#veNCryptSubtypes();
      case 'vencrypt-accepted':
        return this.#veNCryptAccepted();
      case 'challenge':
        return this.#challenge();
      case 'result':
        return this.#result();
      case 'init':
        return this.#serverInit();
      case 'tls':
      case 'done':
        return undefined;
    }
  }

  /** 7.1.1. Versions that are not in the standard count as 3.3, later ones as 3.8. */
  #version(): Buffer | undefined {
    const bytes = this.#pending.take(12);
    if (bytes === undefined) return undefined;
    const match = /^RFB (\d{3})\.(\d{3})\n$/.exec(bytes.toString('latin1'));
    const major = Number(match?.[1]);
    const minor = Number(match?.[2]);
    if (match === null || major < 3) throw fault('not an RFB server');
    this.#minor = 3 < major || 8 <= minor ? 8 : minor === 7 ? 7 : 3;
    this.#step = this.#minor === 3 ? 'security-3.3' : 'security';
    return Buffer.from(`RFB 003.00${this.#minor}\n`);
  }

  /** Appendix A.1: the server decides, in 32 bits. */
  #security33(): Buffer | undefined {
    const bytes = this.#pending.take(4);
    if (bytes === undefined) return undefined;
    const type = bytes.readUInt32BE(0);
    if (type === SECURITY.invalid) {
      this.#step = 'reason';
      return NOTHING;
    }
    const chosen = this.#choose([type], TYPES);
    if (chosen === undefined) throw fault(`security type ${type} is refused`);
    this.#begin(chosen);
    return this.#step === 'init' ? SHARED : NOTHING;
  }

  /** 7.1.2. */
  #securityTypes(): Buffer | undefined {
    const count = this.#pending.peek(1)?.[0];
    if (count === undefined) return undefined;
    if (count === 0) {
      this.#pending.take(1);
      this.#step = 'reason';
      return NOTHING;
    }
    if (RFB_LIMITS.securityTypes < count) throw fault(`${count} security types`);
    const bytes = this.#pending.take(1 + count);
    if (bytes === undefined) return undefined;
    const offered = [...bytes.subarray(1)];
    const wantsTls = this.#credentials.accept.some((security) => SUBTYPES[security] !== undefined);
    if (wantsTls && offered.includes(SECURITY.veNCrypt)) {
      this.#step = 'vencrypt-version';
      return Buffer.of(SECURITY.veNCrypt);
    }
    const chosen = this.#choose(offered, TYPES);
    if (chosen === undefined) throw fault(`security types ${offered.join(', ')} are refused`);
    this.#begin(chosen);
    const answer = Buffer.of(TYPES[chosen] ?? 0);
    // After None there is nothing to prove: ClientInit goes along, and waits at the VM while it says that all is well.
    return chosen === 'none' ? Buffer.concat([answer, SHARED]) : answer;
  }

  #choose(offered: readonly number[], numbers: Partial<Record<VmSecurity, number>>): VmSecurity | undefined {
    return this.#credentials.accept.find((security) => {
      const number = numbers[security];
      return number !== undefined && offered.includes(number);
    });
  }

  /** What follows the choice of a type in clear. 3.3 and 3.7 say nothing after None (RFC 6143, appendix A). */
  #begin(chosen: VmSecurity): void {
    this.#security = chosen;
    if (chosen === 'vnc-auth') this.#step = 'challenge';
    else this.#step = this.#minor === 8 ? 'result' : 'init';
  }

  #veNCryptVersion(): Buffer | undefined {
    const bytes = this.#pending.take(2);
    if (bytes === undefined) return undefined;
    if (bytes[0] !== 0 || (bytes[1] ?? 0) < 2) throw fault(`VeNCrypt ${bytes[0]}.${bytes[1]}`);
    this.#step = 'vencrypt-ack';
    return Buffer.of(0, 2);
  }

  #veNCryptSubtypes(): Buffer | undefined {
    const head = this.#pending.peek(2);
    if (head === undefined) {
      if (this.#pending.peek(1)?.[0]) throw fault('VeNCrypt 0.2 is refused by the VM');
      return undefined;
    }
    if (head[0] !== 0) throw fault('VeNCrypt 0.2 is refused by the VM');
    const count = head[1] ?? 0;
    if (count === 0 || RFB_LIMITS.securityTypes < count) throw fault(`${count} VeNCrypt subtypes`);
    const bytes = this.#pending.take(2 + 4 * count);
    if (bytes === undefined) return undefined;
    const offered = Array.from({ length: count }, (_, i) => bytes.readUInt32BE(2 + 4 * i));
    const chosen = this.#choose(offered, SUBTYPES);
    // S16: a server that offers only anonymous TLS could be anybody.
    if (chosen === undefined) throw fault(`VeNCrypt subtypes ${offered.join(', ')} are refused`);
    this.#security = chosen;
    this.#step = 'vencrypt-accepted';
    const answer = Buffer.alloc(4);
    answer.writeUInt32BE(SUBTYPES[chosen] ?? 0);
    return answer;
  }

  /** One byte more, and 1 means yes: the other way round than everywhere else in RFB. */
  #veNCryptAccepted(): Buffer | undefined {
    const accepted = this.#pending.take(1)?.[0];
    if (accepted === undefined) return undefined;
    if (accepted !== 1) throw fault('the VM does not start TLS');
    this.#step = 'tls';
    return NOTHING;
  }

  #challenge(): Buffer | undefined {
    const challenge = this.#pending.take(16);
    if (challenge === undefined) return undefined;
    this.#step = 'result';
    return answerChallenge(challenge, this.#credentials.secret ?? '');
  }

  /** 7.1.3. */
  #result(): Buffer | undefined {
    const bytes = this.#pending.peek(4);
    if (bytes === undefined) return undefined;
    if (bytes.readUInt32BE(0) === 0) {
      this.#pending.take(4);
      this.#step = 'init';
      return this.#security === 'none' ? NOTHING : SHARED;
    }
    if (this.#minor !== 8) throw fault('the VM refuses the credentials');
    this.#pending.take(4);
    this.#step = 'reason';
    return NOTHING;
  }

  /** 7.1.2 and 7.1.3: what the server says goes into our log, never to a browser (S7, NO-SECRET-OUT). */
  #reason(): Buffer | undefined {
    const length = this.#pending.peek(4)?.readUInt32BE(0);
    if (length === undefined) return undefined;
    const bytes = this.#pending.peek(4 + Math.min(length, RFB_LIMITS.reasonBytes));
    if (bytes === undefined) return undefined;
    const text = bytes.subarray(4, 4 + 256).toString('latin1');
    throw fault(`the VM refuses: ${JSON.stringify(text)}`);
  }

  /** 7.3.2. */
  #serverInit(): Buffer | undefined {
    const head = this.#pending.peek(SERVER_INIT.SIZE);
    if (head === undefined) return undefined;
    const nameBytes = head.readUInt32BE(SERVER_INIT.nameLength);
    if (RFB_LIMITS.nameBytes < nameBytes) throw fault(`a name of ${nameBytes} bytes`);
    const bytes = this.#pending.take(SERVER_INIT.SIZE + nameBytes);
    if (bytes === undefined) return undefined;
    const width = bytes.readUInt16BE(SERVER_INIT.width);
    const height = bytes.readUInt16BE(SERVER_INIT.height);
    const badSize = sizeFault(width, height);
    if (badSize !== undefined) throw fault(badSize);
    const pixelFormat = Buffer.from(
      bytes.subarray(SERVER_INIT.pixelFormat, SERVER_INIT.pixelFormat + PIXEL_FORMAT.SIZE),
    );
    if (![8, 16, 32].includes(pixelFormat[PIXEL_FORMAT.bitsPerPixel] ?? 0)) throw fault('pixels of a strange size');
    this.#init = { width, height, pixelFormat, name: bytes.subarray(SERVER_INIT.SIZE).toString('utf8') };
    this.#step = 'done';
    return NOTHING;
  }
}

const NOTHING = Buffer.alloc(0);
/** ClientInit, 7.3.1: shared always, each viewer has a connection of its own. */
const SHARED = Buffer.of(1);

/** rfbproto, "VeNCrypt", Plain: lengths are of bytes, not of characters (S11). */
function plainCredentials(userName: string, secret: string): Buffer {
  const user = Buffer.from(userName);
  const password = Buffer.from(secret);
  const bytes = Buffer.alloc(8 + user.byteLength + password.byteLength);
  bytes.writeUInt32BE(user.byteLength, 0);
  bytes.writeUInt32BE(password.byteLength, 4);
  user.copy(bytes, 8);
  password.copy(bytes, 8 + user.byteLength);
  return bytes;
}

function fault(message: string): ConversationError {
  return new ConversationError('vm', message);
}
