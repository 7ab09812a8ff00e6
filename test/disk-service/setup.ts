/** What the tests of the disk service share: a service on a storage folder of its own, and a model of a disk. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  connectNbd,
  type DiskServiceApi,
  type NbdClient,
  type RunningDiskService,
  runDiskService,
  type TaskInfo,
} from '@oriel/vhd';
import { afterAll, afterEach } from 'vitest';

export const MIB: number = 1 << 20;

/** Iterations and cut points grow with it. */
export const DEPTH: number = Number(process.env['ORIEL_TEST_DEPTH'] ?? 1);

const cleanups: (() => unknown)[] = [];

/** Runs after the test, last one first. */
export function onCleanup(step: () => unknown): void {
  cleanups.push(step);
}

afterEach(async () => {
  for (const step of cleanups.splice(0).reverse()) await step();
});

/** A folder that goes away with the test. Short, because sockets lie in it. */
export function tempFolder(): string {
  const folder = mkdtempSync('/tmp/oriel-t-');
  onCleanup(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A folder that goes away with the file's last test. */
export function tempFolderForAll(): string {
  const folder = mkdtempSync('/tmp/oriel-t-');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

export interface TestService {
  readonly api: DiskServiceApi;
  readonly folder: string;
  readonly running: RunningDiskService;
  readonly log: { readonly event: string; readonly fields: Readonly<Record<string, unknown>> }[];
}

/** A service in this process, in this thread. */
export async function serviceIn(folder: string = tempFolder()): Promise<TestService> {
  const log: TestService['log'] = [];
  const running = await runDiskService({
    storage: join(folder, 'storage'),
    socketPath: join(folder, 'control.sock'),
    runFolder: join(folder, 'run'),
    threads: 0,
    log: (event, fields) => void log.push({ event, fields }),
  });
  onCleanup(() => running.close());
  return { api: running.service, folder, running, log };
}

/** A client of an export that is closed with the test. */
export async function clientOf(uri: string, contexts: readonly string[] = []): Promise<NbdClient> {
  const client = await connectNbd(uri, { contexts });
  onCleanup(() => client.close());
  return client;
}

/** Waits for a task to end well. */
export async function done(api: DiskServiceApi, task: Promise<TaskInfo> | TaskInfo): Promise<TaskInfo> {
  const { id } = await task;
  for (;;) {
    const now = await api.getTask({ id });
    if (now.state === 'done') return now;
    if (now.state !== 'running')
      throw new Error(`task ${now.kind} ${now.state}: ${now.error?.code} ${now.error?.message}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

/** A small seeded generator: the same numbers for the same seed. */
export function seeded(seed: number): { int(below: number): number; bytes(length: number): Buffer } {
  let state = seed >>> 0 || 1;
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    let mixed = state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
    mixed = Math.imul(mixed ^ (mixed >>> 12), 0x297a2d39);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  };
  return {
    int: (below) => next() % below,
    bytes: (length) => {
      const words = new Uint32Array(Math.ceil(length / 4)).map(next);
      return Buffer.from(words.buffer, 0, length);
    },
  };
}
