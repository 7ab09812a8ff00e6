/**
 * The control API: `POST /v1/<verb>` over HTTP on a unix socket that only its owner can open. See `api.ts`.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { VhdError, type VhdErrorCode } from '../../errors.ts';
import { listenOnUnix } from '../../unix-socket.ts';
import { API_VERSION, type DiskServiceApi, type DiskServiceStreams } from './api.ts';
import { STREAMS } from './streams.ts';
import { parseArgument, VERBS } from './verbs.ts';

/** BOUNDED: a request body; the longest is a path and a few names. */
const BODY_BYTES = 256 << 10;

/** How often a stream says that it is there. */
const BEAT_MS = 10_000;

export interface ControlServer {
  close(): Promise<void>;
}

type Controlled = DiskServiceApi & DiskServiceStreams;

/** Errors: EXISTS where somebody listens already, USAGE for a path that is too long, IO. */
export async function serveControl(service: Controlled, socketPath: string): Promise<ControlServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void answer(service, request, response);
  });
  await listenOnUnix(server, socketPath);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(service: Controlled, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const verb = verbOf(request);
    const argument = parseArgument(await readBody(request));
    if (isStream(verb)) {
      const left = new AbortController();
      response.once('close', () => left.abort());
      await sendStream(response, STREAMS[verb](service, argument, left.signal));
      return;
    }
    const result = await VERBS[verb](service, argument);
    send(response, 200, result ?? null);
  } catch (error) {
    if (response.headersSent) return void response.destroy(); // A stream that broke off: its reader follows again.
    const code = error instanceof VhdError ? error.code : 'SERVICE';
    send(response, STATUS[code] ?? 500, {
      error: { code, message: error instanceof Error ? error.message : String(error) },
    });
  }
}

type Verb = keyof typeof VERBS | keyof typeof STREAMS;

const isStream = (verb: Verb): verb is keyof typeof STREAMS => Object.hasOwn(STREAMS, verb);

function verbOf(request: IncomingMessage): Verb {
  const [, version, verb, ...more] = (request.url ?? '').split('/');
  if (version !== API_VERSION) throw new VhdError('UNSUPPORTED', `this service speaks ${API_VERSION}`);
  const isKnown = verb !== undefined && (Object.hasOwn(VERBS, verb) || Object.hasOwn(STREAMS, verb));
  if (request.method !== 'POST' || 0 < more.length || !isKnown)
    throw new VhdError('USAGE', `no such verb: ${request.method} ${request.url}`);
  return verb as Verb;
}

async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.byteLength;
    if (BODY_BYTES < length) throw new VhdError('TOO_LARGE', `a body of more than ${BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function send(response: ServerResponse, status: number, value: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

/** A line an event, no faster than they are taken, and an empty one where nothing happens for long. */
async function sendStream(response: ServerResponse, events: AsyncIterable<unknown>): Promise<void> {
  const beat = setInterval(() => {
    if (response.headersSent && !response.writableNeedDrain) response.write('\n');
  }, BEAT_MS);
  try {
    for await (const event of events) {
      if (!response.headersSent) response.writeHead(200, { 'content-type': 'application/x-ndjson' });
      if (!response.write(`${JSON.stringify(event)}\n`)) await drained(response);
    }
    response.end();
  } finally {
    clearInterval(beat);
  }
}

function drained(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const go = (): void => {
      response.off('drain', go).off('close', go);
      resolve();
    };
    response.once('drain', go).once('close', go);
  });
}

/** What is not here is a failure of the service or its storage, 500. */
const STATUS: Partial<Record<VhdErrorCode, number>> = {
  USAGE: 400,
  NOT_FOUND: 404,
  EXISTS: 409,
  LOCKED: 409,
  LEASE_LOST: 409,
  HAS_CHILDREN: 409,
  SEALED: 409,
  NOT_OWNER: 409,
  IN_PROGRESS: 409,
  TOO_LARGE: 413,
  NO_SPACE: 507,
};
