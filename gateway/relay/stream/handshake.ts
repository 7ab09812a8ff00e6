/** The opening handshake, the server's side. RFC 6455, sections 4.2.1 and 4.2.2. Pure: a request's facts in, an answer out. */
import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface UpgradeRequest {
  readonly method: string | undefined;
  readonly httpVersion: string;
  readonly headers: IncomingHttpHeaders;
}

export type UpgradeAnswer =
  | { readonly kind: 'accept'; readonly protocols: readonly string[]; readonly accept: string }
  | { readonly kind: 'refuse'; readonly status: number; readonly reason: string; readonly headers: readonly string[] };

/** RFC 6455, 1.3. */
const GUID = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const LIMITS = { protocols: 8, protocolsChars: 512 } as const;

/** Says whether this is a WebSocket handshake. Who may open what is the caller's question. */
export function answerUpgrade(request: UpgradeRequest): UpgradeAnswer {
  const { headers } = request;
  const key = headers['sec-websocket-key'];
  if (request.method !== 'GET') return refuse(405, 'Method Not Allowed', ['Allow: GET']);
  if (request.httpVersion !== '1.1') return refuse(400, 'Bad Request');
  if (headers.upgrade?.toLowerCase() !== 'websocket') return refuse(400, 'Bad Request');
  if (headers['sec-websocket-version'] !== '13') return refuse(426, 'Upgrade Required', ['Sec-WebSocket-Version: 13']);
  // 16 bytes of base64: the last character before the padding carries four zero bits.
  if (key === undefined || !/^[A-Za-z0-9+/]{21}[AQgw]==$/.test(key)) return refuse(400, 'Bad Request');
  const protocols = parseProtocols(headers['sec-websocket-protocol']);
  if (protocols === undefined) return refuse(400, 'Bad Request');
  return { kind: 'accept', protocols, accept: createHash('sha1').update(key).update(GUID).digest('base64') };
}

/** RFC 6455, 4.2.2. No extension is ever agreed on: compression is for text, and a bomb besides. */
export function acceptResponse(accept: string, protocol: string | undefined): string {
  const chosen = protocol === undefined ? '' : `Sec-WebSocket-Protocol: ${protocol}\r\n`;
  return `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n${chosen}\r\n`;
}

export function refuseResponse(status: number, reason: string, headers: readonly string[] = []): string {
  const lines = [`HTTP/1.1 ${status} ${reason}`, 'Connection: close', 'Content-Length: 0', ...headers];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function refuse(status: number, reason: string, headers: readonly string[] = []): UpgradeAnswer {
  return { kind: 'refuse', status, reason, headers };
}

/** RFC 6455, 4.1, item 10: distinct tokens of RFC 9110, 5.6.2. */
function parseProtocols(header: string | undefined): readonly string[] | undefined {
  if (header === undefined) return [];
  if (LIMITS.protocolsChars < header.length) return undefined;
  const protocols = header.split(',').map((protocol) => protocol.trim());
  if (LIMITS.protocols < protocols.length) return undefined;
  if (new Set(protocols).size !== protocols.length) return undefined;
  return protocols.every((protocol) => /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/.test(protocol)) ? protocols : undefined;
}
