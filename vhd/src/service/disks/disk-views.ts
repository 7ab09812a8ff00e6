/**
 * What is told of a disk: its record, and how the thread that has it open finds it. Why a disk is shown as broken is decided
 * here.
 */
import { isVhdError } from '../../errors.ts';
import { DISK_LIMITS } from '../../limits.ts';
import type { DiskInfo, DiskState } from '../control/api.ts';
import type { DiskRecord } from '../state/records.ts';
import type { OpenDiskReport } from '../threads/open-disk.ts';
import { chainLengthOf, trunkOf } from './branches.ts';
import { exportInfo } from './export-info.ts';
import type { Shared } from './shared.ts';

/** Chains at three quarters of the limit are worth a warning. */
const LONG_CHAIN: number = Math.floor(DISK_LIMITS.chainLinks * 0.75);

interface Problem {
  readonly code: string;
  readonly message: string;
}

export class DiskViews {
  /** Why a disk that should be open is not. */
  readonly problems: Map<string, Problem> = new Map();
  readonly #shared: Shared;

  constructor(shared: Shared) {
    this.#shared = shared;
  }

  async of(record: DiskRecord): Promise<DiskInfo> {
    const { records } = this.#shared;
    const report = await this.report(record.id);
    const chainLength = report?.chainLength ?? chainLengthOf(record, records);
    return {
      id: record.id,
      name: record.name,
      description: record.description,
      sizeBytes: report?.sizeBytes ?? record.sizeBytes,
      storedBytes: record.links.reduce((sum, file) => sum + this.#storedBytes(records.diskPath(record, file)), 0),
      imageId: record.imageId,
      branchOf: trunkOf(record, records),
      baseFile: record.baseFile,
      chainLength,
      isChainLong: LONG_CHAIN <= chainLength,
      snapshots: record.snapshots.map(({ file, ...snapshot }) => ({
        ...snapshot,
        storedBytes: this.#storedBytes(records.diskPath(record, file)),
      })),
      state: this.#state(record, report),
      limits: record.rates,
      owner: record.owner,
      createdAt: record.createdAt,
    };
  }

  #state(record: DiskRecord, report: OpenDiskReport | undefined): DiskState {
    if (record.open !== null && report !== undefined) {
      const served = exportInfo({ ...record, sizeBytes: report.sizeBytes }, record.open, this.#shared.remote?.host);
      if (report.fault !== null) return { state: 'faulted', export: served, fault: report.fault };
      return { state: 'open', export: served, connections: report.connections };
    }
    const problem = this.problems.get(record.id) ?? this.#missing(record);
    return problem === undefined ? { state: 'closed' } : { state: 'broken', ...problem };
  }

  /** What can be seen to be wrong without opening the chain. */
  #missing(record: DiskRecord): Problem | undefined {
    const { records, storage } = this.#shared;
    const files = record.links.map((file) => records.diskPath(record, file));
    const base = records.basePath(record);
    if (base !== undefined) files.unshift(base);
    const gone = files.find((file) => storage.stat(file) === undefined);
    return gone === undefined ? undefined : { code: 'NOT_FOUND', message: `${gone} is not there` };
  }

  /** Of the thread that has it open; `undefined` where none has. */
  async report(id: string): Promise<OpenDiskReport | undefined> {
    try {
      return await this.#shared.pool.of(id).report(id);
    } catch (error) {
      if (isVhdError(error, 'CLOSED', 'SERVICE')) return undefined;
      throw error;
    }
  }

  #storedBytes(path: string): number {
    return this.#shared.storage.stat(path)?.storedBytes ?? 0;
  }
}
