/**
 * What the driver keeps about a VM on disk, so that the next driver can take over: the definition, the process, the task.
 * Each file is replaced as a whole; one that cannot be read makes that VM `broken` and no other.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf, type ProcessRef, readRecord, writeRecord } from '@oriel/machine';
import type { VmState } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import { type VmSpec, type VmSpecInput, vmSpec } from '../../spec.ts';

/** Of what is written. 1, which oriel 0.1.0 wrote, is read too; its flags had other names (`fromFirst`). */
export const RECORD_VERSION = 2;

/** vm.json: what the VM shall be and what became of it last. */
export interface Definition {
  readonly version: typeof RECORD_VERSION;
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
  readonly version: typeof RECORD_VERSION;
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
  readonly version: typeof RECORD_VERSION;
  readonly id: string;
  readonly kind: string;
  readonly startedAt: number;
  /** Wall clock: when a stop turns into a kill. */
  readonly forceAt?: number;
  readonly isPaused?: boolean;
}

/** Replaces a record; `isSynced` where it must survive a power cut: a process does not. Errors: HOST_RESOURCES. */
export async function saveRecord(path: string, record: object, isSynced = false): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  try {
    await writeRecord(path, record, { isSynced });
  } catch (cause) {
    throw new HostError('HOST_RESOURCES', `cannot write ${path}: ${errnoOf(cause)}`, { cause });
  }
}

/** Undefined where there is none; VM_BROKEN where it cannot be read. */
async function loadRecord(path: string): Promise<Record<string, unknown> | undefined> {
  try {
    const value = (await readRecord(path)) as { readonly version?: unknown } | null | undefined;
    if (value === undefined) return undefined;
    if (value?.version === 1) return fromFirst({ ...value });
    if (value?.version === RECORD_VERSION) return { ...value };
  } catch (cause) {
    throw new HostError('VM_BROKEN', (cause as Error).message, { cause });
  }
  throw new HostError(
    'VM_BROKEN',
    `${path} is damaged, or a later oriel wrote it: it is of no version from 1 to ${RECORD_VERSION}`,
  );
}

type Fields = Readonly<Record<string, unknown>>;

/** A record of version 1, with the names that its flags have now. */
function fromFirst({ spec, savedSpec, paused, ...rest }: Fields): Record<string, unknown> {
  return {
    ...rest,
    ...(spec === undefined ? {} : { spec: specFromFirst(spec) }),
    ...(savedSpec === undefined ? {} : { savedSpec: specFromFirst(savedSpec) }),
    ...(paused === undefined ? {} : { isPaused: paused }),
  };
}

function specFromFirst(spec: unknown): unknown {
  if (typeof spec !== 'object' || spec === null) return spec;
  const { serial, agent, rng, tpm, tablet, disks, ...rest } = spec as Fields;
  return {
    ...rest,
    hasSerial: serial,
    hasAgent: agent,
    hasRng: rng,
    hasTpm: tpm,
    hasTablet: tablet,
    disks: Array.isArray(disks)
      ? disks.map(({ readOnly, ...disk }: Fields) => ({ ...disk, isReadOnly: readOnly }))
      : disks,
  };
}

export async function readDefinition(path: string): Promise<Definition | undefined> {
  const record = (await loadRecord(path)) as Partial<Definition> | undefined;
  if (record === undefined) return undefined;
  const { machine, uuid, ports, boots, rest } = record;
  const stateOk = rest?.state?.state === 'stopped' || rest?.state?.state === 'saved';
  if (typeof machine !== 'string' || typeof uuid !== 'string' || typeof boots !== 'number' || !stateOk) {
    throw new HostError('VM_BROKEN', `${path} is damaged: fields are missing`);
  }
  return {
    version: RECORD_VERSION,
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
  const record = (await loadRecord(path)) as Partial<ProcessRecord> | undefined;
  if (record === undefined) return undefined;
  const { ref, accelerator, startedAt, rounds } = record;
  if (typeof ref?.pid !== 'number' || typeof ref.startTicks !== 'number' || typeof ref.bootId !== 'string') {
    throw new HostError('VM_BROKEN', `${path} is damaged: it names no process`);
  }
  return {
    version: RECORD_VERSION,
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
    const record = (await loadRecord(path)) as Partial<TaskRecord> | undefined;
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
