/** The disk service as a process of its own, as the gateway starts it, which a test can kill and start again. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type DiskServiceClient, startDiskService } from '@oriel/vhd';
import { onCleanup, tempFolder } from './setup.ts';

export interface ServiceProcess {
  readonly folder: string;
  readonly storage: string;
  readonly client: DiskServiceClient;
  readonly pid: number;
  /** kill -9, and until the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same folder. */
  start(): Promise<void>;
  log(): string;
}

export async function serviceProcess(
  folder: string = tempFolder(),
  storage: string = join(folder, 'storage'),
): Promise<ServiceProcess> {
  const logFile = join(folder, 'service.log');
  const options = {
    command: [process.execPath, join(import.meta.dirname, 'oriel.mjs')],
    storage,
    socketPath: join(folder, 'control.sock'),
    runFolder: join(folder, 'run'),
    logFile,
  };
  let client = await startDiskService(options);
  let { pid } = await client.health();
  const kill = async (): Promise<void> => {
    client.disconnect();
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      return; // It has ended by itself.
    }
    while (isThere(pid)) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  onCleanup(kill);
  return {
    folder,
    storage,
    get client() {
      return client;
    },
    get pid() {
      return pid;
    },
    kill,
    start: async () => {
      client = await startDiskService(options);
      ({ pid } = await client.health());
    },
    log: () => readFileSync(logFile, 'utf8'),
  };
}

/** False once a process has ended with all of its threads, also while its parent has not looked at it. */
function isThere(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    const hasEnded = stat.slice(stat.lastIndexOf(')')).startsWith(') Z');
    return !hasEnded || 1 < readdirSync(`/proc/${pid}/task`).length;
  } catch {
    return false;
  }
}
