/**
 * The server's side of the NBD handshake as a value machine: bytes in, bytes and an outcome out. Knows no socket, no
 * timer and no disk. Spec: NBD proto.md, "Fixed newstyle negotiation" to "Option reply types".
 */
import { NBD_LIMITS } from './limits.ts';
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
  writeU64,
} from './wire.ts';

/** What a client is told about an export. */
export interface ExportInfo {
  readonly name: string;
  readonly description: string;
  readonly sizeBytes: number;
  /** Transmission flags, a sum of EXPORT_FLAG. */
  readonly flags: number;
  readonly minimumBlockBytes: number;
  readonly preferredBlockBytes: number;
  readonly maximumPayloadBytes: number;
  /** Metadata contexts that NBD_CMD_BLOCK_STATUS can tell, `base:allocation` among them. */
  readonly contexts: readonly string[];
}

/** Where the handshake looks exports up. The empty name asks for the default export. */
export interface ExportDirectory {
  names(): readonly string[];
  find(name: string): ExportInfo | undefined;
}

export interface SelectedContext {
  readonly id: number;
  readonly name: string;
}

/** What both sides agreed on. */
export interface Negotiated {
  readonly exportInfo: ExportInfo;
  readonly hasStructuredReplies: boolean;
  readonly contexts: readonly SelectedContext[];
}

/** What the socket has to do after sending the reply. `transmission` hands over the bytes that followed the handshake. */
export type HandshakeOutcome =
  | { readonly kind: 'continue' }
  | { readonly kind: 'start-tls' }
  | { readonly kind: 'transmission'; readonly negotiated: Negotiated; readonly rest: Buffer }
  | { readonly kind: 'close'; readonly reason: string }
  | { readonly kind: 'aborted' };

export interface HandshakeOptions {
  readonly exports: ExportDirectory;
  /** `required`: nothing but STARTTLS is answered until the channel is encrypted. */
  readonly tls: 'off' | 'required';
}

const CONTINUE: HandshakeOutcome = { kind: 'continue' };

/** The greeting the server opens with. */
export function encodeGreeting(): Buffer {
  const bytes = Buffer.alloc(GREETING.SIZE);
  NBD_MAGIC.copy(bytes, GREETING.magic);
  OPTION_MAGIC.copy(bytes, GREETING.option);
  bytes.writeUInt16BE(HANDSHAKE_FLAG.fixedNewstyle | HANDSHAKE_FLAG.noZeroes, GREETING.flags);
  return bytes;
}

/** One reply to an option. */
export function encodeOptionReply(option: number, type: number, data: Uint8Array | string = ''): Buffer {
  const body = typeof data === 'string' ? Buffer.from(data, 'utf8') : data;
  const bytes = Buffer.alloc(OPTION_REPLY.SIZE + body.byteLength);
  OPTION_REPLY_MAGIC.copy(bytes, OPTION_REPLY.magic);
  bytes.writeUInt32BE(option, OPTION_REPLY.option);
  bytes.writeUInt32BE(type, OPTION_REPLY.type);
  bytes.writeUInt32BE(body.byteLength, OPTION_REPLY.length);
  bytes.set(body, OPTION_REPLY.SIZE);
  return bytes;
}

/** Feed it what arrives; send what it replies; do what the outcome says. After an outcome other than `continue` it is done. */
export class ServerHandshake {
  readonly #options: HandshakeOptions;
  #pending: Buffer = Buffer.alloc(0);
  #step: 'flags' | 'options' | 'tls' | 'done' = 'flags';
  #isSecure = false;
  #noZeroes = false;
  #hasStructuredReplies = false;
  #selected: { readonly exportName: string; readonly contexts: readonly SelectedContext[] } | undefined;
  #optionCount = 0;
  #refusals: string[] = [];

  constructor(options: HandshakeOptions) {
    this.#options = options;
  }

  /** Goes on after STARTTLS, on the encrypted channel. What was agreed in the clear is forgotten, as the spec demands. */
  secured(): void {
    this.#isSecure = true;
    this.#hasStructuredReplies = false;
    this.#selected = undefined;
    this.#step = 'options';
  }

  /** `refusals`: why options were answered by an error, those aside that a newer client only tries. */
  receive(chunk: Uint8Array): {
    readonly reply: Buffer;
    readonly outcome: HandshakeOutcome;
    readonly refusals: readonly string[];
  } {
    this.#refusals = [];
    this.#pending = this.#pending.byteLength === 0 ? Buffer.from(chunk) : Buffer.concat([this.#pending, chunk]);
    const replies: Buffer[] = [];
    let outcome: HandshakeOutcome | undefined;
    do {
      outcome = this.#advance(replies);
    } while (outcome === CONTINUE);
    if (outcome !== undefined && outcome.kind !== 'start-tls') this.#step = 'done';
    return { reply: Buffer.concat(replies), outcome: outcome ?? CONTINUE, refusals: this.#refusals };
  }

  /** One message. `undefined` when there are not enough bytes yet. */
  #advance(replies: Buffer[]): HandshakeOutcome | undefined {
    switch (this.#step) {
      case 'flags':
        return this.#clientFlags();
      case 'options':
        return this.#option(replies);
      case 'tls':
        // Anything sent in the clear behind STARTTLS would be read as if it had come encrypted.
        return { kind: 'close', reason: 'bytes in the clear behind STARTTLS' };
      case 'done':
        return { kind: 'close', reason: 'bytes after the end of the handshake' };
    }
  }

  #clientFlags(): HandshakeOutcome | undefined {
    if (this.#pending.byteLength < 4) return undefined;
    const flags = this.#take(4).readUInt32BE(0);
    if ((flags & HANDSHAKE_FLAG.fixedNewstyle) === 0) return { kind: 'close', reason: 'client is not fixed newstyle' };
    if ((flags & ~(HANDSHAKE_FLAG.fixedNewstyle | HANDSHAKE_FLAG.noZeroes)) !== 0) {
      return { kind: 'close', reason: `unknown client flags ${flags}` };
    }
    this.#noZeroes = (flags & HANDSHAKE_FLAG.noZeroes) !== 0;
    this.#step = 'options';
    return CONTINUE;
  }

  #option(replies: Buffer[]): HandshakeOutcome | undefined {
    if (this.#pending.byteLength < OPTION.SIZE) return undefined;
    if (!this.#pending.subarray(0, 8).equals(OPTION_MAGIC)) return { kind: 'close', reason: 'bad option magic' };
    const length = this.#pending.readUInt32BE(OPTION.length);
    if (NBD_LIMITS.optionBytes < length) return { kind: 'close', reason: `option of ${length} bytes` };
    if (this.#pending.byteLength < OPTION.SIZE + length) return undefined;
    const option = this.#pending.readUInt32BE(OPTION.option);
    this.#take(OPTION.SIZE);
    const data = this.#take(length);
    this.#optionCount += 1;
    if (NBD_LIMITS.handshakeOptions < this.#optionCount) return { kind: 'close', reason: 'too many options' };
    if (this.#options.tls === 'required' && !this.#isSecure) return this.#insecureOption(option, data, replies);
    return this.#answer(option, data, replies);
  }

  #insecureOption(option: number, data: Buffer, replies: Buffer[]): HandshakeOutcome {
    if (option === OPT.exportName) return { kind: 'close', reason: 'EXPORT_NAME without TLS' };
    if (option === OPT.abort || option === OPT.startTls) return this.#answer(option, data, replies);
    replies.push(encodeOptionReply(option, REP.errTlsRequired, 'this server speaks TLS only'));
    this.#refusals.push('this server speaks TLS only');
    return CONTINUE;
  }

  #answer(option: number, data: Buffer, replies: Buffer[]): HandshakeOutcome {
    const say = (type: number, body: Uint8Array | string = ''): HandshakeOutcome => {
      replies.push(encodeOptionReply(option, type, body));
      if (typeof body === 'string' && body !== '' && type !== REP.errUnsupported) this.#refusals.push(body);
      return CONTINUE;
    };
    switch (option) {
      case OPT.exportName:
        return this.#exportName(data, replies);
      case OPT.abort:
        say(REP.ack);
        return { kind: 'aborted' };
      case OPT.list:
        if (data.byteLength !== 0) return say(REP.errInvalid, 'LIST has no data');
        for (const name of this.#options.exports.names()) say(REP.server, lengthPrefixed(name));
        return say(REP.ack);
      case OPT.startTls:
        return this.#startTls(data, say);
      case OPT.structuredReply:
        if (data.byteLength !== 0) return say(REP.errInvalid, 'STRUCTURED_REPLY has no data');
        this.#hasStructuredReplies = true;
        return say(REP.ack);
      case OPT.info:
      case OPT.go:
        return this.#infoOrGo(option, data, say);
      case OPT.listMetaContext:
      case OPT.setMetaContext:
        return this.#metaContext(option, data, say);
      default:
        return say(REP.errUnsupported, `option ${option} is not known here`);
    }
  }

  #startTls(data: Buffer, say: Say): HandshakeOutcome {
    if (this.#options.tls === 'off') return say(REP.errPolicy, 'TLS is not set up here');
    if (data.byteLength !== 0 || this.#isSecure) return say(REP.errInvalid, 'STARTTLS is sent once, without data');
    if (this.#pending.byteLength !== 0) return { kind: 'close', reason: 'bytes in the clear behind STARTTLS' };
    say(REP.ack);
    this.#step = 'tls';
    return { kind: 'start-tls' };
  }

  /** EXPORT_NAME has no error reply: an unknown name ends the connection. Spec: "NBD_OPT_EXPORT_NAME". */
  #exportName(data: Buffer, replies: Buffer[]): HandshakeOutcome {
    const info = this.#options.exports.find(data.toString('utf8'));
    if (info === undefined) return { kind: 'close', reason: 'unknown export' };
    const bytes = Buffer.alloc(this.#noZeroes ? 10 : 134);
    writeU64(bytes, info.sizeBytes, 0);
    bytes.writeUInt16BE(info.flags, 8);
    replies.push(bytes);
    return this.#transmission(info);
  }

  #infoOrGo(option: number, data: Buffer, say: Say): HandshakeOutcome {
    const request = decodeInfoRequest(data);
    if (request === undefined) return say(REP.errInvalid, 'malformed INFO or GO');
    const info = this.#options.exports.find(request.exportName);
    if (info === undefined) return say(REP.errUnknown, 'no such export');
    say(REP.info, encodeInfoExport(info));
    if (request.infos.includes(INFO.name)) say(REP.info, encodeInfoText(INFO.name, info.name));
    if (request.infos.includes(INFO.description)) say(REP.info, encodeInfoText(INFO.description, info.description));
    say(REP.info, encodeInfoBlockSize(info));
    say(REP.ack);
    return option === OPT.go ? this.#transmission(info) : CONTINUE;
  }

  #metaContext(option: number, data: Buffer, say: Say): HandshakeOutcome {
    const request = decodeMetaContextRequest(data);
    if (request === undefined) return say(REP.errInvalid, 'malformed list of metadata contexts');
    const isSet = option === OPT.setMetaContext;
    if (isSet) this.#selected = undefined;
    if (isSet && !this.#hasStructuredReplies) return say(REP.errInvalid, 'metadata contexts need structured replies');
    const info = this.#options.exports.find(request.exportName);
    if (info === undefined) return say(REP.errUnknown, 'no such export');
    const found = info.contexts
      .map((name, index) => ({ id: isSet ? index + 1 : 0, name }))
      .filter(({ name }) => (isSet ? request.queries.includes(name) : isListed(name, request.queries)));
    for (const { id, name } of found) {
      const body = Buffer.alloc(4 + Buffer.byteLength(name));
      body.writeUInt32BE(id, 0);
      body.write(name, 4, 'utf8');
      say(REP.metaContext, body);
    }
    if (isSet) this.#selected = { exportName: info.name, contexts: found };
    return say(REP.ack);
  }

  #transmission(exportInfo: ExportInfo): HandshakeOutcome {
    // Contexts that were chosen for another export do not carry over. Spec: "NBD_OPT_SET_META_CONTEXT".
    const contexts = this.#selected?.exportName === exportInfo.name ? this.#selected.contexts : [];
    const negotiated = { exportInfo, hasStructuredReplies: this.#hasStructuredReplies, contexts };
    return { kind: 'transmission', negotiated, rest: this.#take(this.#pending.byteLength) };
  }

  #take(count: number): Buffer {
    const taken = this.#pending.subarray(0, count);
    this.#pending = this.#pending.subarray(count);
    return taken;
  }
}

type Say = (type: number, body?: Uint8Array | string) => HandshakeOutcome;

/** LIST without queries means all; a query that ends in a colon means all below it. Spec: "Metadata querying". */
function isListed(name: string, queries: readonly string[]): boolean {
  if (queries.length === 0) return true;
  return queries.some((query) => query === name || (query.endsWith(':') && name.startsWith(query)));
}

function lengthPrefixed(text: string): Buffer {
  const bytes = Buffer.alloc(4 + Buffer.byteLength(text));
  bytes.writeUInt32BE(bytes.byteLength - 4, 0);
  bytes.write(text, 4, 'utf8');
  return bytes;
}

function encodeInfoExport(info: ExportInfo): Buffer {
  const bytes = Buffer.alloc(12);
  bytes.writeUInt16BE(INFO.export, 0);
  writeU64(bytes, info.sizeBytes, 2);
  bytes.writeUInt16BE(info.flags, 10);
  return bytes;
}

function encodeInfoText(type: number, text: string): Buffer {
  const bytes = Buffer.alloc(2 + Buffer.byteLength(text));
  bytes.writeUInt16BE(type, 0);
  bytes.write(text, 2, 'utf8');
  return bytes;
}

function encodeInfoBlockSize(info: ExportInfo): Buffer {
  const bytes = Buffer.alloc(14);
  bytes.writeUInt16BE(INFO.blockSize, 0);
  bytes.writeUInt32BE(info.minimumBlockBytes, 2);
  bytes.writeUInt32BE(info.preferredBlockBytes, 6);
  bytes.writeUInt32BE(info.maximumPayloadBytes, 10);
  return bytes;
}

/** u32 length, export name, u16 count, count times u16. */
function decodeInfoRequest(data: Buffer): { exportName: string; infos: number[] } | undefined {
  if (data.byteLength < 6) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (NBD_LIMITS.exportNameBytes < nameBytes || data.byteLength < 6 + nameBytes) return undefined;
  const count = data.readUInt16BE(4 + nameBytes);
  if (data.byteLength !== 6 + nameBytes + 2 * count) return undefined;
  const infos = Array.from({ length: count }, (_, i) => data.readUInt16BE(6 + nameBytes + 2 * i));
  return { exportName: data.toString('utf8', 4, 4 + nameBytes), infos };
}

/** u32 length, export name, u32 count, count times (u32 length, query). */
function decodeMetaContextRequest(data: Buffer): { exportName: string; queries: string[] } | undefined {
  if (data.byteLength < 8) return undefined;
  const nameBytes = data.readUInt32BE(0);
  if (NBD_LIMITS.exportNameBytes < nameBytes || data.byteLength < 8 + nameBytes) return undefined;
  const count = data.readUInt32BE(4 + nameBytes);
  if (NBD_LIMITS.metaContextQueries < count) return undefined;
  const queries: string[] = [];
  let at = 8 + nameBytes;
  for (let i = 0; i < count; i++) {
    if (data.byteLength < at + 4) return undefined;
    const length = data.readUInt32BE(at);
    if (data.byteLength < at + 4 + length) return undefined;
    queries.push(data.toString('utf8', at + 4, at + 4 + length));
    at += 4 + length;
  }
  return at === data.byteLength ? { exportName: data.toString('utf8', 4, 4 + nameBytes), queries } : undefined;
}
