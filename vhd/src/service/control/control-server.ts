/**
 * The control API: `POST /v1/<verb>` over HTTP on a unix socket that only its owner can open. See `api.ts`.
 */
import { chmodSync, rmSync, statSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { VhdError, type VhdErrorCode } from '../../errors.ts';
import { API_VERSION, type DiskServiceApi } from './api.ts';
import { parseArgument, VERBS } from './verbs.ts';

/** BOUNDED: a request body; the longest is a path and a few names. */
const BODY_BYTES = 256 << 10;

export interface ControlServer {
  close(): Promise<void>;
}

/** Errors: EXISTS where somebody listens already, USAGE for a path that is too long, IO. */
export async function serveControl(service: DiskServiceApi, socketPath: string): Promise<ControlServer> {
  const server = createServer({ requestTimeout: 30_000, headersTimeout: 10_000 }, (request, response) => {
    void answer(service, request, response);
  });
  await listen(server, socketPath);
  chmodSync(socketPath, 0o600);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
      }),
  };
}

async function answer(service: DiskServiceApi, request: IncomingMessage, response: ServerResponse): Promise<void> {
  try {
    const verb = verbOf(request);
    const argument = parseArgument(await readBody(request));
    const result = await VERBS[verb](service, argument);
    send(response, 200, result ?? null);
  } catch (error) {
    const code = error instanceof VhdError ? error.code : 'SERVICE';
    send(response, STATUS[code] ?? 500, {
      error: { code, message: error instanceof Error ? error.message : String(error) },
    });
  }
}

function verbOf(request: IncomingMessage): keyof DiskServiceApi {
  const [, version, verb, ...more] = (request.url ?? '').split('/');
  if (version !== API_VERSION) throw new VhdError('UNSUPPORTED', `this service speaks ${API_VERSION}`);
  if (request.method !== 'POST' || verb === undefined || 0 < more.length || !Object.hasOwn(VERBS, verb)) {
    throw new VhdError('USAGE', `no such verb: ${request.method} ${request.url}`);
  }
  return verb as keyof DiskServiceApi;
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

/** What is not here is a failure of the service or its storage, 500. */
const STATUS: Partial<Record<VhdErrorCode, number>> = {
  USAGE: 400,
  NOT_FOUND: 404,
  EXISTS: 409,
  LOCKED: 409,
  LEASE_LOST: 409,
  HAS_CHILDREN: 409,
  SEALED: 409,
  IN_PROGRESS: 409,
  TOO_LARGE: 413,
  NO_SPACE: 507,
};

async function listen(server: Server, socketPath: string): Promise<void> {
  if (107 < Buffer.byteLength(socketPath))
    throw new VhdError('USAGE', `socket path of more than 107 bytes: ${socketPath}`);
  if (statSync(socketPath, { throwIfNoEntry: false })?.isSocket() === true) {
    if (await isAnswered(socketPath)) throw new VhdError('EXISTS', `another service listens on ${socketPath}`);
    rmSync(socketPath, { force: true });
  }
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new VhdError('IO', `cannot listen on ${socketPath}`, { cause })));
    server.listen(socketPath, resolve);
  });
}

/** True when something accepts connections on a unix socket. */
export function isAnswered(socketPath: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(socketPath);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}
