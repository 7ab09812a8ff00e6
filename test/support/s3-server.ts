/** A real S3 server for tests: OpenStack Swift with its S3 API, as Debian has it (docs/decisions/0011-s3.md). */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { S3 } from '@aws-sdk/client-s3';
import type { S3Options } from '@oriel/vhd/restore-points';

const PROGRAM = fileURLToPath(new URL('swift/serve.py', import.meta.url));
export const CREDENTIALS = { accessKeyId: 'oriel:tester', secretAccessKey: 'not-to-be-seen-anywhere' };

process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] = 'true'; // As the store does: the floor is ours.

export class S3Server {
  /** Another client than the one that is tested. */
  readonly client: S3;
  readonly port: number;
  readonly #folder: string;
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  #buckets = 0;
  #prefixes = 0;

  private constructor(folder: string, process: ChildProcessByStdio<Writable, Readable, null>, port: number) {
    this.#folder = folder;
    this.#process = process;
    this.port = port;
    this.client = new S3({
      region: 'us-east-1',
      endpoint: this.endpoint,
      forcePathStyle: true,
      credentials: CREDENTIALS,
    });
  }

  static async start(): Promise<S3Server> {
    const folder = mkdtempSync(path.join(tmpdir(), 'oriel-s3-'));
    const { accessKeyId, secretAccessKey } = CREDENTIALS;
    const args = ['-B', PROGRAM, folder, '0', accessKeyId, secretAccessKey];
    // Debian's own Python, which has Debian's packages. It ends with its input, however this process ends.
    const child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
    for await (const line of createInterface(child.stdout)) {
      const port = /^ready (\d+)$/.exec(line)?.[1];
      if (port !== undefined) return new S3Server(folder, child, Number(port));
    }
    throw new Error('the S3 server ended before it was ready');
  }

  get endpoint(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async makeBucket(): Promise<string> {
    const Bucket = `bucket-${++this.#buckets}`;
    await this.client.createBucket({ Bucket });
    return Bucket;
  }

  /** An empty place in a bucket. */
  place(bucket: string): S3Options {
    const prefix = `place/${++this.#prefixes}`;
    return { bucket, prefix, endpoint: this.endpoint, credentials: CREDENTIALS, attempts: 3 };
  }

  async stop(): Promise<void> {
    this.client.destroy();
    const ended = once(this.#process, 'exit');
    this.#process.stdin.end();
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
