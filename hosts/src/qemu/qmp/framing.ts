/**
 * QMP framing: a stream of JSON objects, one per line. Spec: QEMU docs/interop/qmp-spec, "General definitions". PURE:
 * bytes in, messages out, at any chunking. Also the framing of the guest agent, which resets it with a 0xff byte.
 */
import { HostError } from '../../errors.ts';

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

const NEWLINE = 0x0a;

export class LineFraming {
  readonly #maxBytes: number;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;

  constructor(options: { readonly maxBytes: number }) {
    this.#maxBytes = options.maxBytes;
  }

  /** The messages that `chunk` completes. Throws HOST_PROTOCOL on a line that is too long or no JSON object. */
  push(chunk: Uint8Array): JsonObject[] {
    const messages: JsonObject[] = [];
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(NEWLINE, from);
      if (end < 0) break;
      const line = this.#finish(chunk.subarray(from, end));
      from = end + 1;
      const message = parseLine(line);
      if (message !== undefined) messages.push(message);
    }
    this.#keep(chunk.subarray(from));
    return messages;
  }

  #keep(rest: Uint8Array): void {
    this.#check(rest.byteLength);
    if (rest.byteLength === 0) return;
    this.#pending.push(rest);
    this.#pendingBytes += rest.byteLength;
  }

  #finish(rest: Uint8Array): string {
    this.#check(rest.byteLength);
    const line = Buffer.concat([...this.#pending, rest]).toString('utf8');
    this.#pending = [];
    this.#pendingBytes = 0;
    return line;
  }

  #check(more: number): void {
    if (this.#maxBytes < this.#pendingBytes + more) {
      throw new HostError('HOST_PROTOCOL', `a message is longer than ${this.#maxBytes} bytes`);
    }
  }
}

/** One line as an object; undefined for a blank one. */
export function parseLine(line: string): JsonObject | undefined {
  const text = line.trim();
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HostError('HOST_PROTOCOL', `not JSON: ${JSON.stringify(text.slice(0, 80))}`, { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new HostError('HOST_PROTOCOL', `not an object: ${text.slice(0, 80)}`);
  }
  return value as JsonObject;
}

export function encodeLine(message: JsonObject): string {
  return `${JSON.stringify(message)}\n`;
}
