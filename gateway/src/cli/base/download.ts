/** Saving a file that the gateway sends: beside its name until it is whole, going on where the connection broke. */
import { createWriteStream, existsSync, linkSync, renameSync, rmSync } from 'node:fs';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Access } from './context.ts';
import { CliError, EXIT } from './exit.ts';

export interface SaveOptions {
  readonly sizeBytes: number;
  readonly isReplacing: boolean;
  readonly onProgress: (done: number, total: number) => void;
}

const TRIES = { most: 6, pauseMs: 500, silentMs: 60_000 } as const;

/** Errors: CliError: it is there already, it cannot be written, the gateway refuses or is not reached. */
export async function saveTo(file: string, access: Access, url: string, options: SaveOptions): Promise<void> {
  if (existsSync(file) && !options.isReplacing) throw new CliError(`${file} is there already; --force replaces it`);
  const beside = `${file}.${process.pid}.part`;
  let done = 0;
  try {
    for (let tried = 1; done < options.sizeBytes; tried++) {
      const before = done;
      try {
        const answer = await get(access, url, done);
        answer.on('data', (chunk: Buffer) => {
          done += chunk.byteLength;
          options.onProgress(done, options.sizeBytes);
        });
        await pipeline(
          answer,
          createWriteStream(beside, { flags: before === 0 ? 'w' : 'r+', start: before, flush: true }),
        );
        if (done !== options.sizeBytes) throw new Error(`it ended after ${done} of ${options.sizeBytes} bytes`);
      } catch (cause) {
        if (cause instanceof CliError) throw cause;
        if (before < done) tried = 1;
        if (TRIES.most <= tried || (cause as NodeJS.ErrnoException).code === 'ENOSPC')
          throw new CliError(`cannot save ${file}: ${(cause as Error).message}`, EXIT.unreachable, { cause });
        await sleep(TRIES.pauseMs * tried);
      }
    }
    if (options.isReplacing) renameSync(beside, file);
    else linkSync(beside, file);
  } finally {
    rmSync(beside, { force: true });
  }
}

/** The rest of it, from a byte on. */
function get({ token, ca, socketPath }: Access, url: string, from: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${token}`, ...(from === 0 ? {} : { range: `bytes=${from}-` }) };
    const options = { headers, timeout: TRIES.silentMs };
    const { pathname, search } = new URL(url);
    const sent =
      socketPath !== undefined
        ? httpRequest({ ...options, socketPath, path: `${pathname}${search}`, host: 'localhost' })
        : url.startsWith('https:')
          ? httpsRequest(url, { ...options, ...(ca === undefined ? {} : { ca }) })
          : httpRequest(url, options);
    sent.on('error', reject);
    sent.on('timeout', () => sent.destroy(new Error('no answer')));
    sent.on('response', (answer) => {
      if (answer.statusCode === (from === 0 ? 200 : 206)) resolve(answer);
      else {
        answer.resume();
        const status = answer.statusCode ?? 0;
        reject(
          status < 500 ? new CliError(`the gateway answered ${status}`) : new Error(`the gateway answered ${status}`),
        );
      }
    });
    sent.end();
  });
}
