// One driver per run folder: two would take each other's QMP connections. The lock names its holder by pid and start
// time, so a holder that was killed holds nothing.
import { mkdir, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { HostError } from '../error.ts';
import { bootId, isAlive, type ProcessRef, statOf } from './process.ts';

export interface FolderLock {
  release(): Promise<void>;
}

const heldHere = new Set<string>();

export async function lockFolder(folder: string): Promise<FolderLock> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const path = join(folder, 'driver.lock');
  const self: ProcessRef = { pid: process.pid, startTicks: statOf(process.pid)?.startTicks ?? 0, bootId: bootId() };
  for (let attempt = 0; attempt < 2; attempt++) {
    if (await create(path, self)) {
      heldHere.add(path);
      return {
        release: async () => {
          heldHere.delete(path);
          await rm(path, { force: true });
        },
      };
    }
    const holder = await readHolder(path);
    const isOurs = holder?.pid === self.pid && holder.startTicks === self.startTicks;
    if (holder !== undefined && isAlive(holder) && (!isOurs || heldHere.has(path))) {
      throw new HostError('HOST_UNREACHABLE', `process ${holder.pid} drives the VMs in ${folder} already`);
    }
    await rm(path, { force: true });
  }
  throw new HostError('HOST_UNREACHABLE', `cannot lock ${path}`);
}

async function create(path: string, self: ProcessRef): Promise<boolean> {
  try {
    const file = await open(path, 'wx', 0o600);
    try {
      await file.writeFile(JSON.stringify(self));
    } finally {
      await file.close();
    }
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw new HostError('HOST_RESOURCES', `cannot write ${path}`, { cause });
  }
}

async function readHolder(path: string): Promise<ProcessRef | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as ProcessRef;
  } catch {
    return undefined;
  }
}
