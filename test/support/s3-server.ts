/** A real S3 server for tests: OpenStack Swift with its S3 API, as Debian has it (docs/decisions/0012-s3.md). */
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

type Child = ChildProcessByStdio<Writable, Readable, null>;

export class S3Server {
  /** Another client than the one that is tested. */
  readonly client: S3;
  readonly port: number;
  readonly #folder: string;
  #child: Child;
  #buckets = 0;
  #prefixes = 0;

  private constructor(folder: string, child: Child, port: number) {
    this.#folder = folder;
    this.#child = child;
    this.port = port;
    const { endpoint } = this;
    this.client = new S3({ region: 'us-east-1', endpoint, forcePathStyle: true, credentials: CREDENTIALS });
  }

  static async start(): Promise<S3Server> {
    const folder = mkdtempSync(path.join(tmpdir(), 'oriel-s3-'));
    const { child, port } = await serve(folder, 0);
    return new S3Server(folder, child, port);
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

  /** kill -9, and another process over what it has stored. */
  async killAndStart(): Promise<void> {
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
    this.#child = (await serve(this.#folder, this.port)).child;
  }

  async stop(): Promise<void> {
    this.client.destroy();
    const ended = once(this.#child, 'exit');
    this.#child.stdin.end();
    await ended;
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

async function serve(folder: string, port: number): Promise<{ readonly child: Child; readonly port: number }> {
  const { accessKeyId, secretAccessKey } = CREDENTIALS;
  const args = ['-B', PROGRAM, folder, String(port), accessKeyId, secretAccessKey];
  // Debian's own Python, which has Debian's packages. It ends with its input, however this process ends.
  const child = spawn('/usr/bin/python3', args, { stdio: ['pipe', 'pipe', 'inherit'] });
  for await (const line of createInterface(child.stdout)) {
    const ready = /^ready (\d+)$/.exec(line)?.[1];
    if (ready !== undefined) return { child, port: Number(ready) };
  }
  throw new Error('the S3 server ended before it was ready');
}
