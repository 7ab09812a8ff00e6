/** Reads a JSON body, bounded. */
import type { IncomingMessage } from 'node:http';
import { LIMITS } from '../../config.ts';
import { GatewayError } from '../../errors.ts';

export async function readJson(incoming: IncomingMessage): Promise<unknown> {
  const type = incoming.headers['content-type'] ?? '';
  if (!/^application\/json\s*(;\s*charset=utf-8\s*)?$/i.test(type)) {
    throw new GatewayError('UNSUPPORTED_MEDIA', 'send the body as application/json');
  }
  if (incoming.headers['content-encoding'] !== undefined)
    throw new GatewayError('UNSUPPORTED_MEDIA', 'send the body uncompressed');
  if (LIMITS.bodyBytes < Number(incoming.headers['content-length'] ?? 0)) throw tooLarge();
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of incoming as AsyncIterable<Buffer>) {
    bytes += chunk.byteLength;
    if (LIMITS.bodyBytes < bytes) throw tooLarge();
    chunks.push(chunk);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(Buffer.concat(chunks)));
  } catch (cause) {
    throw new GatewayError('BAD_REQUEST', 'the body is not JSON', { cause });
  }
}

function tooLarge(): GatewayError {
  return new GatewayError('TOO_LARGE', `a body has at most ${LIMITS.bodyBytes} bytes`);
}
