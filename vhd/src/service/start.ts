/**
 * Running the service: in this process (`runDiskService`), or as a process of its own that outlives who started it
 * (`startDiskService`). OUTLIVE: the gateway starts it detached and never stops it by ending.
 */
import { spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { confine, findConfinement, type Needs, nodeEnvironment } from '@oriel/machine';
import { VhdError } from '../errors.ts';
import { listenNbd } from '../nbd/server.ts';
import { fileSystem } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { connectDiskService, type DiskServiceClient } from './control/client.ts';
import { type ControlServer, serveControl } from './control/control-server.ts';
import { DiskService, type DiskServiceOptions } from './service.ts';
import { defaultRunFolder, makeRunFolder } from './state/run-folder.ts';
import { type StorageFolder, takeStorageFolder } from './state/storage-folder.ts';

export interface RunDiskServiceOptions {
  readonly storage: string;
  readonly socketPath: string;
  /** Where the sockets of disks go; a short path that depends on the storage folder when left out. */
  readonly runFolder?: string;
  /** The folder for run-time files of the user, `XDG_RUNTIME_DIR`. */
  readonly runtimeFolder?: string;
  /** Threads that serve disks; one a core, at most four, when left out. */
  readonly threads?: number;
  readonly version?: string;
  /** The address and the certificates for other machines; absent: this machine only. */
  readonly remote?: NonNullable<DiskServiceOptions['remote']>;
  readonly log?: DiskServiceOptions['log'];
}

export interface RunningDiskService {
  readonly service: DiskService;
  /** Settles when a `stop` verb has ended the service. */
  readonly stopped: Promise<void>;
  close(): Promise<void>;
}

/** Serves a storage folder from this process. Errors: LOCKED, EXISTS, USAGE, READ_ONLY, IO. */
export async function runDiskService(options: RunDiskServiceOptions): Promise<RunningDiskService> {
  const { storage, socketPath } = options ?? {};
  checkUsage('runDiskService', { paths: { storage, socketPath } });
  const folder = await takeStorageFolder(options.storage, options.socketPath);
  let service: DiskService;
  try {
    service = await startService(options, folder);
  } catch (error) {
    folder.release();
    throw error;
  }
  let control: ControlServer;
  try {
    control = await serveControl(service, options.socketPath);
  } catch (error) {
    await service.stop();
    throw error;
  }
  let closing: Promise<void> | undefined;
  const close = (): Promise<void> => {
    closing ??= control.close();
    return closing;
  };
  return {
    service,
    stopped: service.stopped.then(close),
    close: async () => {
      await service.stop();
      await close();
    },
  };
}

function startService(options: RunDiskServiceOptions, folder: StorageFolder): Promise<DiskService> {
  return DiskService.start({
    folder,
    storage: fileSystem,
    listen: listenNbd,
    runFolder: makeRunFolder(options.runFolder ?? defaultRunFolder(options.storage, options.runtimeFolder)),
    threads: options.threads ?? Math.max(1, Math.min(4, availableParallelism() >> 1)),
    version: options.version ?? '0',
    log: options.log ?? (() => {}),
    ...(options.remote === undefined ? {} : { remote: options.remote }),
  });
}

export interface StartDiskServiceOptions {
  /** What runs the command: `[process.execPath, 'bin/oriel.mjs']`. */
  readonly command: readonly string[];
  readonly storage: string;
  readonly socketPath: string;
  readonly runFolder?: string;
  /** Where the process writes what it has to say. */
  readonly logFile: string;
  /** How long to wait for it to answer. */
  readonly timeoutMs?: number;
}

const POLL_MS = 20;
/** Of root's: to read what an admin lays down to be imported, and to work in a folder that is another account's. */
const SERVICE_NEEDS: Needs = { capabilities: ['chown', 'dac_override', 'dac_read_search', 'fowner'] };

/**
 * Flags of Node that keep the service small: a nursery of 1 MiB, which is enough for what it allocates; no snapshot of
 * Node's own start-up, of which every thread would hold a copy; and leave to collect the buffers of an import when it is
 * over. docs/decisions/0003 has the figures.
 */
export const DISK_SERVICE_FLAGS: readonly string[] = ['--max-semi-space-size=1', '--no-node-snapshot', '--expose-gc'];

/**
 * Starts `oriel disk-service serve` as a process of its own and waits until it answers. Where a service answers already, that
 * one is used. Errors: SERVICE with the last lines of its log.
 */
export async function startDiskService(options: StartDiskServiceOptions): Promise<DiskServiceClient> {
  const { storage, socketPath, logFile, command: words } = options ?? {};
  checkUsage('startDiskService', {
    paths: { storage, socketPath, logFile, ...(words?.length ? {} : { command: words }) },
  });
  const client = connectDiskService(options.socketPath);
  if (await isUp(client)) return client;
  const [program, ...first] = options.command;
  if (program === undefined) throw new VhdError('USAGE', 'no command to start the disk service with');
  const log = openSync(options.logFile, 'a', 0o600);
  const runFolder = options.runFolder === undefined ? [] : ['--run-dir', options.runFolder];
  const args = [
    ...first,
    'disk-service',
    'serve',
    '--storage',
    options.storage,
    '--socket',
    options.socketPath,
    ...runFolder,
  ];
  const env = nodeEnvironment(process.env);
  env['NODE_OPTIONS'] = [env['NODE_OPTIONS'] ?? '', ...DISK_SERVICE_FLAGS].join(' ').trim();
  const [confined = program, ...rest] = confine(await findConfinement(), [program, ...args], SERVICE_NEEDS);
  const child = spawn(confined, rest, { detached: true, stdio: ['ignore', log, log], env });
  closeSync(log);
  let ended: string | undefined;
  child.once('error', (error) => {
    ended = error.message;
  });
  child.once('exit', (code, signal) => {
    ended = `ended with ${signal ?? `status ${code}`}`;
  });
  child.unref();
  const deadline = Date.now() + (options.timeoutMs ?? 15_000);
  while (ended === undefined && Date.now() < deadline) {
    if (await isUp(client)) return client;
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  client.disconnect();
  const tail = readFileSync(options.logFile, 'utf8').trimEnd().split('\n').slice(-3).join('; ');
  throw new VhdError('SERVICE', `the disk service ${ended ?? 'does not answer'}: ${tail}`);
}

async function isUp(client: DiskServiceClient): Promise<boolean> {
  return client.health().then(
    () => true,
    () => false,
  );
}
