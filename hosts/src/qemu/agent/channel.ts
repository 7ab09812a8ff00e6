/**
 * The guest agent's channel: JSON lines over a serial port that nobody resets. What an earlier conversation left in it is
 * skipped by `guest-sync-delimited`, whose answer comes after a 0xff byte. Spec: QEMU qga/qapi-schema.json. PURE.
 */
import { HostError } from '../../errors.ts';
import { type JsonObject, LineFraming } from '../qmp/framing.ts';

export const AGENT_LIMITS = {
  messageBytes: 67_108_864,
  syncMs: 2_000,
  commandMs: 5_000,
  queued: 16,
  fileBytes: 16_777_216,
  chunkBytes: 65_536,
  execOutputBytes: 16_777_216,
} as const;

const DELIMITER = 0xff;

export class AgentFraming {
  #lines = new LineFraming({ maxBytes: AGENT_LIMITS.messageBytes });
  #skipping = false;

  /** From now on everything is dropped until the delimiter. */
  expectDelimiter(): void {
    this.#lines = new LineFraming({ maxBytes: AGENT_LIMITS.messageBytes });
    this.#skipping = true;
  }

  push(chunk: Uint8Array): JsonObject[] {
    if (!this.#skipping) return this.#parse(chunk);
    // The last one: an answer of ours may be followed by the delimiter of a sync that was sent twice.
    const at = chunk.lastIndexOf(DELIMITER);
    if (at < 0) return [];
    this.#skipping = false;
    return this.#parse(chunk.subarray(at + 1));
  }

  #parse(chunk: Uint8Array): JsonObject[] {
    try {
      return this.#lines.push(chunk);
    } catch (cause) {
      throw new HostError('AGENT_PROTOCOL', `the guest agent talks nonsense: ${(cause as Error).message}`, { cause });
    }
  }
}

/** The agent's parser starts afresh at a 0xff byte: what a predecessor left half-sent is dropped. */
export function syncRequest(id: number): Uint8Array {
  const line = `${JSON.stringify({ execute: 'guest-sync-delimited', arguments: { id } })}\n`;
  return Buffer.concat([Buffer.from([DELIMITER]), Buffer.from(line)]);
}
