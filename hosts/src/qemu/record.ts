// What the driver keeps about a VM on disk, so that the next driver can take over: the definition, the process, the task.
// Each file is replaced as a whole; one that cannot be read makes that VM `broken` and no other.
import { randomBytes } from 'node:crypto';
import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { VmState } from '../driver.ts';
import { HostError } from '../error.ts';
import { type VmSpec, type VmSpecInput, vmSpec } from '../spec.ts';
import type { ProcessRef } from './process.ts';

export const RECORD_LIMITS = { fileBytes: 1_048_576 } as const;

/** vm.json: what the VM shall be and what became of it last. */
export interface Definition {
  readonly version: 1;
  readonly spec: VmSpec;
  readonly machine: string;
  readonly uuid: string;
  readonly ports: Readonly<Record<string, number>>;
  readonly boots: number;
  /** The spec whose devices the saved memory belongs to. */
  readonly savedSpec?: VmSpec;
  /** Of the VM when it does not run. */
  readonly rest: { readonly state: VmState & { state: 'stopped' | 'saved' }; readonly since: number };
}

/** process.json: what was started, exactly. */
export interface ProcessRecord {
  readonly version: 1;
  readonly ref: ProcessRef;
  readonly accelerator: 'kvm' | 'tcg';
  readonly startedAt: number;
  /** The spec that the process was started with, kept current by hot add and remove. */
  readonly spec: VmSpec;
  /** Round of each device's dialling node; see blockdev.ts. */
  readonly rounds: Readonly<Record<string, number>>;
}

/** task.json: a verb under way. */
export interface TaskRecord {
  readonly version: 1;
  readonly id: string;
  readonly kind: string;
  readonly startedAt: number;
  /** Wall clock: when a stop turns into a kill. */
  readonly forceAt?: number;
  readonly paused?: boolean;
}

/** `durable` survives a power cut. What is about a process needs not: the process does not survive one either. */
export async function writeRecord(path: string, record: object, durable = false): Promise<void> {
  const temporary = `${path}.${randomBytes(4).toString('hex')}.new`;
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const file = await open(temporary, 'wx', 0o600);
  try {
    await file.writeFile(`${JSON.stringify(record)}\n`);
    if (durable) await file.sync();
  } catch (cause) {
    await rm(temporary, { force: true });
    throw new HostError('HOST_RESOURCES', `cannot write ${path}`, { cause });
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

/** Undefined where there is none; VM_BROKEN where it cannot be read. */
async function readRecord(path: string): Promise<Record<string, unknown> | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new HostError('VM_BROKEN', `cannot read ${path}`, { cause });
  }
  try {
    if (RECORD_LIMITS.fileBytes < text.length) throw new Error(`${text.length} bytes`);
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null || (value as { version?: unknown }).version !== 1) {
      throw new Error('not version 1');
    }
    return value as Record<string, unknown>;
  } catch (cause) {
    throw new HostError('VM_BROKEN', `${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}

export async function readDefinition(path: string): Promise<Definition | undefined> {
  const record = (await readRecord(path)) as Partial<Definition> | undefined;
  if (record === undefined) return undefined;
  const { machine, uuid, ports, boots, rest } = record;
  const stateOk = rest?.state?.state === 'stopped' || rest?.state?.state === 'saved';
  if (typeof machine !== 'string' || typeof uuid !== 'string' || typeof boots !== 'number' || !stateOk) {
    throw new HostError('VM_BROKEN', `${path} is damaged: fields are missing`);
  }
  return {
    version: 1,
    spec: specOf(record.spec, path),
    ...(record.savedSpec === undefined ? {} : { savedSpec: specOf(record.savedSpec, path) }),
    machine,
    uuid,
    ports: ports ?? {},
    boots,
    rest,
  } as Definition;
}

export async function readProcess(path: string): Promise<ProcessRecord | undefined> {
  const record = (await readRecord(path)) as Partial<ProcessRecord> | undefined;
  if (record === undefined) return undefined;
  const { ref, accelerator, startedAt, rounds } = record;
  if (typeof ref?.pid !== 'number' || typeof ref.startTicks !== 'number' || typeof ref.bootId !== 'string') {
    throw new HostError('VM_BROKEN', `${path} is damaged: it names no process`);
  }
  return {
    version: 1,
    ref,
    accelerator: accelerator === 'kvm' ? 'kvm' : 'tcg',
    startedAt: Number(startedAt),
    spec: specOf(record.spec, path),
    rounds: rounds ?? {},
  };
}

/** A damaged task record is no reason to give a VM up: nothing is under way then. */
export async function readTask(path: string): Promise<TaskRecord | undefined> {
  try {
    const record = (await readRecord(path)) as Partial<TaskRecord> | undefined;
    if (typeof record?.id !== 'string' || typeof record.kind !== 'string') return undefined;
    return record as TaskRecord;
  } catch {
    return undefined;
  }
}

function specOf(value: unknown, path: string): VmSpec {
  try {
    return vmSpec(value as VmSpecInput);
  } catch (cause) {
    throw new HostError('VM_BROKEN', `${path} is damaged: ${(cause as Error).message}`, { cause });
  }
}
