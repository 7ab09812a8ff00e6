/** The client's side of a stream: a request whose answer is a line of JSON an event. */
import { type IncomingMessage, request } from 'node:http';
import { VhdError, type VhdErrorCode } from '../../errors.ts';
import { API_VERSION } from './api.ts';

/** A stream that says nothing for so long is dead: the service gives a sign of life every ten seconds. */
const SILENCE_MS = 40_000;

/** BOUNDED: one event; the longest is the list of all there is. */
const LINE_CHARS = 64 << 20;

/**
 * Yields events until the stream ends. Errors: SERVICE when nobody answers or it breaks off; UNSUPPORTED by a service that is too
 * old; what the service refused with.
 */
export async function* follow<T>(
  socketPath: string,
  verb: string,
  argument: unknown,
  signal?: AbortSignal,
): AsyncGenerator<T> {
  const lost = (cause?: unknown): VhdError =>
    new VhdError('SERVICE', `the disk service on ${socketPath} does not answer any more`, { cause });
  try {
    const response = await ask(socketPath, verb, argument, signal);
    try {
      if (response.statusCode !== 200) throw await refusal(socketPath, response);
      for await (const line of lines(response)) yield JSON.parse(line) as T;
    } finally {
      response.destroy();
    }
  } catch (error) {
    if (signal?.aborted === true) return;
    throw error instanceof VhdError ? error : lost(error);
  }
  if (signal?.aborted !== true) throw lost();
}

function ask(socketPath: string, verb: string, argument: unknown, signal?: AbortSignal): Promise<IncomingMessage> {
  const body = JSON.stringify(argument ?? {});
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    const options = { socketPath, agent: false, method: 'POST', path: `/${API_VERSION}/${verb}`, headers } as const;
    const sent = request(signal === undefined ? options : { ...options, signal }, resolve);
    sent.setTimeout(SILENCE_MS, () => sent.destroy(new Error(`silent for ${SILENCE_MS} ms`)));
    sent.on('error', reject);
    sent.end(body);
  });
}

async function* lines(response: IncomingMessage): AsyncGenerator<string> {
  let rest = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) {
    const parts = (rest + chunk).split('\n');
    rest = parts.pop() ?? '';
    if (LINE_CHARS < rest.length) throw new VhdError('TOO_LARGE', `a line of more than ${LINE_CHARS} characters`);
    for (const line of parts) if (line !== '') yield line;
  }
}

/** What the service answered in place of a stream: one that was started by an older oriel may have none. */
async function refusal(socketPath: string, response: IncomingMessage): Promise<VhdError> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response as AsyncIterable<string>) text += chunk;
  const { error } = JSON.parse(text) as { error?: { code: VhdErrorCode; message: string } };
  if (error?.code === 'USAGE' && error.message.startsWith('no such verb'))
    return new VhdError(
      'UNSUPPORTED',
      `the disk service on ${socketPath} is older than this oriel and cannot be followed; stop it and start it again`,
    );
  return new VhdError(error?.code ?? 'SERVICE', error?.message ?? `status ${response.statusCode}`);
}
