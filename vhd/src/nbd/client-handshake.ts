/**
 * The client's side of the NBD handshake as a value machine: bytes in, bytes and an outcome out. Asks for structured
 * replies and metadata contexts, takes what it gets, and starts one export.
 * Spec: NBD proto.md, "Fixed newstyle negotiation" to "Option reply types".
 */
import { VhdError } from '../errors.ts';
import {
  GREETING,
  HANDSHAKE_FLAG,
  INFO,
  NBD_MAGIC,
  OPT,
  OPTION,
  OPTION_MAGIC,
  OPTION_REPLY,
  OPTION_REPLY_MAGIC,
  REP,
  readU64,
} from './wire.ts';

export interface ClientHandshakeOptions {
  readonly exportName: string;
  /** Metadata contexts to ask for. */
  readonly contexts: readonly string[];
  /** True: refuse to go on without TLS. */
  readonly wantsTls: boolean;
}

/** What the server granted. */
export interface ClientNegotiated {
  readonly sizeBytes: number;
  readonly flags: number;
  readonly hasStructuredReplies: boolean;
  /** Ids by name. */
  readonly contexts: ReadonlyMap<string, number>;
  readonly maximumPayloadBytes: number;
}

export type ClientOutcome =
  | { readonly kind: 'continue' }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'transmission'; readonly negotiated: ClientNegotiated; readonly rest: Buffer };

/** BOUNDED: what one reply of a server may hold. */
const REPLY_BYTES: number = 64 << 10;
/** Replies to one option: a context each, or the infos of an export. */
const REPLIES = 4096;
const DEFAULT_PAYLOAD_BYTES: number = 32 << 20;

type Step = 'greeting' | 'tls-reply' | 'structured-reply' | 'contexts' | 'go' | 'done';

/** Errors it throws: NBD_PROTOCOL (the server broke the protocol), NBD_REFUSED (it said no). */
export class ClientHandshake {
  readonly #options: ClientHandshakeOptions;
  #pending: Buffer = Buffer.alloc(0);
  #step: Step = 'greeting';
  #isStructured = false;
  #replies = 0;
  readonly #contexts = new Map<string, number>();
  #export: { sizeBytes: number; flags: number } | undefined;
  #maximumPayloadBytes = DEFAULT_PAYLOAD_BYTES;

  constructor(options: ClientHandshakeOptions) {
    this.#options = options;
  }

  receive(chunk: Uint8Array): { readonly reply: Buffer; readonly outcome: ClientOutcome } {
    this.#pending = this.#pending.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const replies: Buffer[] = [];
    for (;;) {
      const outcome = this.#step === 'greeting' ? this.#greeting(replies) : this.#optionReply(replies);
      if (outcome === undefined) return { reply: Buffer.concat(replies), outcome: { kind: 'continue' } };
      if (outcome.kind !== 'continue') return { reply: Buffer.concat(replies), outcome };
    }
  }

  /** Goes on after STARTTLS, on the encrypted channel: the bytes to send. */
  secured(): Buffer {
    this.#step = 'structured-reply';
    return encodeOption(OPT.structuredReply);
  }

  #greeting(replies: Buffer[]): ClientOutcome | undefined {
    if (this.#pending.byteLength < GREETING.SIZE) return undefined;
    const greeting = this.#take(GREETING.SIZE);
    const isNewstyle = greeting.subarray(0, 8).equals(NBD_MAGIC) && greeting.subarray(8, 16).equals(OPTION_MAGIC);
    if (!isNewstyle) throw new VhdError('NBD_PROTOCOL', 'the peer is no newstyle NBD server');
    const flags = greeting.readUInt16BE(GREETING.flags);
    if ((flags & HANDSHAKE_FLAG.fixedNewstyle) === 0)
      throw new VhdError('NBD_PROTOCOL', 'the server is not fixed newstyle');
    const clientFlags = Buffer.alloc(4);
    clientFlags.writeUInt32BE(flags & (HANDSHAKE_FLAG.fixedNewstyle | HANDSHAKE_FLAG.noZeroes), 0);
    replies.push(clientFlags);
    if (this.#options.wantsTls) {
      replies.push(encodeOption(OPT.startTls));
      this.#step = 'tls-reply';
    } else {
      replies.push(encodeOption(OPT.structuredReply));
      this.#step = 'structured-reply';
    }
    return { kind: 'continue' };
  }

  #optionReply(replies: Buffer[]): ClientOutcome | undefined {
    if (this.#step === 'done') throw new VhdError('NBD_PROTOCOL', 'bytes after the end of the handshake');
    if (this.#pending.byteLength < OPTION_REPLY.SIZE) return undefined;
    const head = this.#pending.subarray(0, OPTION_REPLY.SIZE);
    if (!head.subarray(0, 8).equals(OPTION_REPLY_MAGIC)) throw new VhdError('NBD_PROTOCOL', 'bad option reply magic');
    const length = head.readUInt32BE(OPTION_REPLY.length);
    if (REPLY_BYTES < length) throw new VhdError('NBD_PROTOCOL', `an option reply of ${length} bytes`);
    if (this.#pending.byteLength < OPTION_REPLY.SIZE + length) return undefined;
    const option = head.readUInt32BE(OPTION_REPLY.option);
    const type = head.readUInt32BE(OPTION_REPLY.type);
    this.#take(OPTION_REPLY.SIZE);
    const data = this.#take(length);
    if (option !== this.#expected())
      throw new VhdError('NBD_PROTOCOL', `a reply to option ${option}, which was not asked`);
    this.#replies += 1;
    if (REPLIES < this.#replies) throw new VhdError('NBD_PROTOCOL', 'too many replies to one option');
    return this.#advance(type, data, replies);
  }

  #expected(): number {
    switch (this.#step) {
      case 'tls-reply':
        return OPT.startTls;
      case 'structured-reply':
        return OPT.structuredReply;
      case 'contexts':
        return OPT.setMetaContext;
      case 'go':
      case 'greeting':
      case 'done':
        return OPT.go;
    }
  }

  #advance(type: number, data: Buffer, replies: Buffer[]): ClientOutcome {
    const isError = 0x8000_0000 <= type;
    switch (this.#step) {
      case 'tls-reply':
        if (type !== REP.ack) throw refused('STARTTLS', type, data);
        if (0 < this.#pending.byteLength) throw new VhdError('NBD_PROTOCOL', 'bytes in the clear behind STARTTLS');
        return { kind: 'start-tls' };
      case 'structured-reply':
        if (type === REP.errTlsRequired) throw refused('the export without TLS', type, data);
        if (!isError && type !== REP.ack)
          throw new VhdError('NBD_PROTOCOL', `a reply of type ${type} to STRUCTURED_REPLY`);
        this.#isStructured = !isError;
        return this.#isStructured && 0 < this.#options.contexts.length ? this.#askContexts(replies) : this.#go(replies);
      case 'contexts':
        if (type === REP.metaContext && 4 <= data.byteLength) {
          this.#contexts.set(data.toString('utf8', 4), data.readUInt32BE(0));
          return { kind: 'continue' };
        }
        if (type !== REP.ack && !isError)
          throw new VhdError('NBD_PROTOCOL', `a reply of type ${type} to SET_META_CONTEXT`);
        return this.#go(replies);
      case 'go':
        if (isError) throw refused(`export ${JSON.stringify(this.#options.exportName)}`, type, data);
        return this.#info(type, data);
      case 'greeting':
      case 'done':
        throw new VhdError('NBD_PROTOCOL', 'a reply out of turn');
    }
  }

  #info(type: number, data: Buffer): ClientOutcome {
    if (type === REP.info && 2 <= data.byteLength) {
      const info = data.readUInt16BE(0);
      if (info === INFO.export && data.byteLength === 12) {
        this.#export = { sizeBytes: readU64(data, 2), flags: data.readUInt16BE(10) };
      }
      if (info === INFO.blockSize && data.byteLength === 14) this.#maximumPayloadBytes = data.readUInt32BE(10);
      return { kind: 'continue' };
    }
    if (type !== REP.ack || this.#export === undefined)
      throw new VhdError('NBD_PROTOCOL', `a reply of type ${type} to GO`);
    if (!Number.isSafeInteger(this.#export.sizeBytes))
      throw new VhdError('NBD_PROTOCOL', 'the export is larger than 2^53 bytes');
    this.#step = 'done';
    const negotiated = {
      ...this.#export,
      hasStructuredReplies: this.#isStructured,
      contexts: this.#contexts,
      maximumPayloadBytes: Math.max(4096, Math.min(DEFAULT_PAYLOAD_BYTES, this.#maximumPayloadBytes)),
    };
    return { kind: 'transmission', negotiated, rest: this.#take(this.#pending.byteLength) };
  }

  #askContexts(replies: Buffer[]): ClientOutcome {
    this.#step = 'contexts';
    this.#replies = 0;
    const count = Buffer.alloc(4);
    count.writeUInt32BE(this.#options.contexts.length, 0);
    const queries = this.#options.contexts.map(lengthPrefixed);
    replies.push(
      encodeOption(OPT.setMetaContext, Buffer.concat([lengthPrefixed(this.#options.exportName), count, ...queries])),
    );
    return { kind: 'continue' };
  }

  #go(replies: Buffer[]): ClientOutcome {
    this.#step = 'go';
    this.#replies = 0;
    const infos = Buffer.from([0, 1, 0, INFO.blockSize]);
    replies.push(encodeOption(OPT.go, Buffer.concat([lengthPrefixed(this.#options.exportName), infos])));
    return { kind: 'continue' };
  }

  #take(count: number): Buffer {
    const taken = this.#pending.subarray(0, count);
    this.#pending = this.#pending.subarray(count);
    return taken;
  }
}

/** One option as a client sends it. */
export function encodeOption(option: number, data: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(OPTION.SIZE + data.byteLength);
  OPTION_MAGIC.copy(bytes, OPTION.magic);
  bytes.writeUInt32BE(option, OPTION.option);
  bytes.writeUInt32BE(data.byteLength, OPTION.length);
  bytes.set(data, OPTION.SIZE);
  return bytes;
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
  bytes.writeUInt32BE(bytes.byteLength - 4, 0);
  bytes.write(text, 4, 'utf8');
  return bytes;
}

function refused(what: string, type: number, data: Buffer): VhdError {
  const reason = data.byteLength === 0 ? `error ${type & 0x7fff_ffff}` : data.toString('utf8', 0, 200);
  return new VhdError('NBD_REFUSED', `the NBD server refuses ${what}: ${reason}`);
}
