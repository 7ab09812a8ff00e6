/**
 * What the disk service does for others: one method a verb, the same interface for the service and for its client.
 * On the wire a verb is `POST /v1/<method>` with its argument as JSON; the answer is the result as JSON, or an error
 * `{"error":{"code","message"}}`. Sizes are bytes, times are ISO 8601.
 */

import type { ForeignFormat } from '../../formats/content.ts';
import type { Owner } from './ids.ts';
import type { TaskInfo } from './task.ts';
import type { WatchEvent } from './watch-event.ts';

/** The version in the path of every verb. A change that an older client cannot bear gets a new one. */
export const API_VERSION = 'v1';

/** What a source of an import can be said to be, where its first bytes shall not decide. */
export type ImportFormat = ForeignFormat | 'vhd' | 'raw';
export const IMPORT_FORMATS: readonly ImportFormat[] = ['vhd', 'raw', 'qcow2', 'vmdk', 'vhdx', 'vdi', 'qcow'];

/**
 * What the content of a disk can be written as: a VHD that holds what is not zero, one of full size, one of the sizes that
 * Azure takes, plain bytes, and what qemu-img writes for us.
 */
export type ExportFormat = 'vhd' | 'vhd-fixed' | 'vhd-azure' | 'raw' | 'qcow2' | 'vmdk' | 'vhdx' | 'vdi';
export const EXPORT_FORMATS: readonly ExportFormat[] = [
  'vhd',
  'vhd-fixed',
  'vhd-azure',
  'raw',
  'qcow2',
  'vmdk',
  'vhdx',
  'vdi',
];

/** What is copied out: an image, a disk that is closed, or what a snapshot of a disk holds. */
export type CopySource =
  | { readonly imageId: string }
  | { readonly diskId: string; readonly snapshotId?: string | undefined };

/** A file in the storage that somebody takes away: the whole content of an image or disk in one format. It goes by itself. */
export interface ExportedFile {
  readonly id: string;
  /** For whoever saves it: the name of what it was made of, with the ending of its format. */
  readonly fileName: string;
  /** Where it lies, on the machine of the service. */
  readonly path: string;
  readonly format: ExportFormat;
  readonly sizeBytes: number;
  readonly createdAt: string;
  readonly expiresAt: string;
}

/** A VHD in the library. A template is sealed, and clones are made from it. */
export interface ImageInfo {
  readonly id: string;
  readonly name: string;
  /** What somebody wrote about it. */
  readonly description: string;
  readonly kind: 'image' | 'template';
  readonly sizeBytes: number;
  /** What its file occupies on storage. */
  readonly storedBytes: number;
  /** Disks and images that depend on it. */
  readonly childCount: number;
  readonly isSealed: boolean;
  readonly health: Health;
  readonly owner: Owner | null;
  readonly createdAt: string;
}

export type Health =
  | { readonly state: 'ok' }
  | { readonly state: 'broken'; readonly code: string; readonly message: string };

/** A sealed link of a disk's chain. */
export interface SnapshotInfo {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly storedBytes: number;
  readonly owner: Owner | null;
  /** Equal for the snapshots of several disks that are of one instant. */
  readonly operationId: string | null;
  readonly createdAt: string;
}

/** What is true of a disk now. */
export type DiskState =
  | { readonly state: 'closed' }
  | { readonly state: 'open'; readonly export: ExportInfo; readonly connections: number }
  /** Open, but the storage fails: guests that stop on errors are paused until a request succeeds again. */
  | { readonly state: 'faulted'; readonly export: ExportInfo; readonly fault: Fault }
  /** Cannot be opened. */
  | { readonly state: 'broken'; readonly code: string; readonly message: string };

export interface Fault {
  readonly code: string;
  readonly message: string;
  readonly since: string;
  /** Requests that failed since then. */
  readonly count: number;
}

/** Where an open disk is served. */
export interface ExportInfo {
  /** `nbd+unix:///<export>?socket=<path>`. Only this ever goes to QEMU, never the path of a VHD. */
  readonly uri: string;
  /** `nbds://<host>:<port>/<export>` for other machines, where it was asked for. Clients need a certificate. */
  readonly remoteUri: string | null;
  readonly exportName: string;
  readonly socketPath: string;
  /** ONE-WRITER: a higher number cuts this one off. 0 where nothing can be written. */
  readonly lease: number;
  readonly mode: 'write' | 'read';
  readonly sizeBytes: number;
}

/** A chain whose leaf a VM writes. */
export interface DiskInfo {
  readonly id: string;
  readonly name: string;
  readonly description: string;
  readonly sizeBytes: number;
  /** What its own links occupy on storage, without the image below them. */
  readonly storedBytes: number;
  /** The image it is a clone of. */
  readonly imageId: string | null;
  /** The snapshot of another disk that it goes on from. */
  readonly branchOf: { readonly diskId: string; readonly snapshotId: string } | null;
  /** The restore point it is a clone of, where it lies outside of the library. */
  readonly baseFile: string | null;
  /** Links from the leaf to the root. */
  readonly chainLength: number;
  /** True when the chain nears its limit: merge snapshots. */
  readonly isChainLong: boolean;
  /** Oldest first. */
  readonly snapshots: readonly SnapshotInfo[];
  readonly state: DiskState;
  readonly limits: DiskRates;
  /** Whose it is; null: nobody's. The service keeps it and asks nothing of it. */
  readonly owner: Owner | null;
  readonly createdAt: string;
}

/** Ceilings on what a guest may ask of one disk; absent: none. */
export interface DiskRates {
  readonly iops?: number;
  readonly bytesPerSecond?: number;
}

/** Counts since the disk was opened. */
export interface DiskStats {
  readonly id: string;
  readonly connections: number;
  readonly reads: number;
  readonly readBytes: number;
  readonly writes: number;
  readonly writeBytes: number;
  readonly flushes: number;
  readonly zeroes: number;
  readonly trims: number;
  readonly errors: number;
}

export interface ServiceHealth {
  readonly version: string;
  readonly pid: number;
  readonly storage: string;
  readonly startedAt: string;
  readonly freeBytes: number;
  readonly openDisks: number;
  readonly runningTasks: number;
  readonly rssBytes: number;
}

/** Where a new disk's content comes from. A clone is a differencing child: nothing is copied. */
export type DiskSource =
  /** It goes on from a snapshot of another disk, which then can neither be folded away nor go. */
  | { readonly from: 'snapshot'; readonly diskId: string; readonly snapshotId: string }
  | { readonly from: 'blank'; readonly sizeBytes: number }
  | { readonly from: 'image'; readonly imageId: string; readonly sizeBytes?: number }
  /** A VHD outside of the library: a restore point that is used where it lies. It is sealed by this. */
  | { readonly from: 'file'; readonly path: string; readonly sizeBytes?: number };

export interface ById {
  readonly id: string;
}

/** Which of a list: of one owner, or with null those of nobody; all when left out. */
export interface ListFilter {
  readonly owner?: Owner | null;
}

/** A new owner. With `from`, only where the owner is this one until then: of two who take a thing, one gets it. */
export interface OwnerChange {
  readonly id: string;
  readonly owner: Owner | null;
  readonly from?: Owner | null;
}

/** What people call a thing, and what they wrote about it; what is left out stays. */
export interface Description {
  readonly name?: string;
  readonly description?: string;
}

/** Every verb. Errors are `VhdError`s with the codes of this package; NOT_FOUND and EXISTS are about ids. */
export interface DiskServiceApi {
  health(): Promise<ServiceHealth>;
  /** Closes every disk and ends the process. */
  stop(): Promise<void>;

  listImages(filter?: ListFilter): Promise<readonly ImageInfo[]>;
  getImage(input: ById): Promise<ImageInfo>;
  /** An empty image. */
  createImage(input: {
    readonly id?: string;
    readonly name: string;
    readonly sizeBytes: number;
    readonly owner?: Owner;
  }): Promise<ImageInfo>;
  /** Takes a file of any format into the library, as a task. A chain is taken as the content its leaf shows. */
  importImage(input: {
    readonly id?: string;
    readonly name: string;
    readonly path: string;
    readonly kind?: 'image' | 'template';
    /** Found out by the first bytes when left out. */
    readonly format?: ImportFormat;
    readonly owner?: Owner;
  }): Promise<TaskInfo>;
  /** Makes a template of an image: it never changes again (SEALED-STAYS). Idempotent. */
  sealImage(input: ById): Promise<ImageInfo>;
  /** Errors: NOT_OWNER where `from` is not the owner. */
  setImageOwner(input: OwnerChange): Promise<ImageInfo>;
  describeImage(input: ById & Description): Promise<ImageInfo>;
  /** Errors: HAS_CHILDREN, IN_PROGRESS. */
  removeImage(input: ById): Promise<void>;
  /** Looks for damage; `isDeep` reads the data too. A task; its result has `findings`. */
  checkImage(input: ById & { readonly isDeep?: boolean }): Promise<TaskInfo>;
  /**
   * Gives back the space that holds zeros. What changes an image (this, `repairImage`, `resizeImage`) is a task that a restart
   * begins again, and has the image for itself. Errors: SEALED, HAS_CHILDREN, LOCKED (it is served), IN_PROGRESS.
   */
  compactImage(input: ById): Promise<TaskInfo>;
  /** Mends what can be mended without guessing. The result has `mended`, `left` and `lost`, as `repairImage` of the library. */
  repairImage(input: ById): Promise<TaskInfo>;
  /** Another size. Smaller only with `isShrinking`, and where nothing but zeros is cut off (NOT_EMPTY). */
  resizeImage(input: ById & { readonly sizeBytes: number; readonly isShrinking?: boolean }): Promise<TaskInfo>;
  /** The content as an image of its own, that stands on nothing. A task; the result has its `id`. */
  copyImage(input: {
    readonly from: CopySource;
    readonly id?: string;
    readonly name: string;
    readonly kind?: 'image' | 'template';
    readonly owner?: Owner;
  }): Promise<TaskInfo>;
  /** The content as a file of another format. A task; the result is the `ExportedFile`. Errors: LOCKED: the disk is open. */
  exportImage(input: { readonly from: CopySource; readonly format: ExportFormat }): Promise<TaskInfo>;
  listExports(): Promise<readonly ExportedFile[]>;
  removeExport(input: ById): Promise<void>;
  /** Serves an image read-only until closed. */
  openImage(input: ById): Promise<ExportInfo>;
  closeImage(input: ById): Promise<void>;

  listDisks(filter?: ListFilter): Promise<readonly DiskInfo[]>;
  getDisk(input: ById): Promise<DiskInfo>;
  createDisk(input: {
    readonly id?: string;
    readonly name: string;
    readonly source: DiskSource;
    readonly owner?: Owner;
  }): Promise<DiskInfo>;
  /** With a snapshot, what is said of that one. */
  describeDisk(input: ById & Description & { readonly snapshotId?: string }): Promise<DiskInfo>;
  /** Errors: NOT_OWNER where `from` is not the owner. */
  setDiskOwner(input: OwnerChange): Promise<DiskInfo>;
  /** The same for a snapshot of a disk. */
  setSnapshotOwner(input: OwnerChange & { readonly snapshotId: string }): Promise<DiskInfo>;
  /** Takes a new lease. For writing it cuts every older connection off at once. */
  openDisk(input: {
    readonly id: string;
    readonly mode?: 'write' | 'read';
    /** For live migration: the older connections are cut off by the first write through the new lease, not before. */
    readonly isHandover?: boolean;
    /** Serve it to other machines too, over TLS. */
    readonly isRemote?: boolean;
  }): Promise<ExportInfo>;
  /** Ends the export. With a lease that is not the current one: LEASE_LOST. */
  closeDisk(input: { readonly id: string; readonly lease?: number }): Promise<void>;
  /** Serves a snapshot read-only until closed, also while the disk is written to: what a backup reads. Idempotent. */
  openSnapshot(input: { readonly id: string; readonly snapshotId: string }): Promise<ExportInfo>;
  closeSnapshot(input: { readonly id: string; readonly snapshotId: string }): Promise<void>;
  /** Removes a closed disk with all of its links; with `owner`, only where it is that one's. Errors: LOCKED, NOT_OWNER. */
  removeDisk(input: ById & ListFilter): Promise<void>;
  setRates(input: { readonly id: string; readonly rates: DiskRates }): Promise<DiskInfo>;
  diskStats(input: ById): Promise<DiskStats>;

  /**
   * Seals the leaves of disks and puts new ones on them, of all disks at one instant; VMs write on. Settles when the
   * snapshots are on stable storage. The task's result has `snapshots`: the ids by disk. Where it fails, or is cut off by
   * a kill or a power cut, no disk has one. Asked again with the same `operationId`, what was done is not done twice.
   */
  snapshotDisks(input: {
    readonly ids: readonly string[];
    readonly name: string;
    readonly owner?: Owner;
    readonly operationId?: string;
  }): Promise<TaskInfo>;
  /** Folds a snapshot away; what the disk holds, and other snapshots, stay the same. A task; resumed after a restart. */
  removeSnapshot(input: {
    readonly id: string;
    readonly snapshotId: string;
    /** Ceiling on what is copied; none when left out. */
    readonly bytesPerSecond?: number;
  }): Promise<TaskInfo>;
  /** Folds a snapshot down into the one below it, which it replaces. A task; resumed after a restart. */
  mergeDown(input: {
    readonly id: string;
    readonly snapshotId: string;
    readonly bytesPerSecond?: number;
  }): Promise<TaskInfo>;
  /** Folds the leaf into the link below it: what an undo disk gathered becomes permanent. A task. */
  commitLeaf(input: { readonly id: string; readonly bytesPerSecond?: number }): Promise<TaskInfo>;
  /** Throws away what the leaf holds: the disk is as at its last snapshot, or as the image it was cloned from. A task. */
  discardLeaf(input: ById): Promise<TaskInfo>;
  /**
   * Makes a disk larger. Ends its connections, since NBD tells a size in the handshake only: a client that comes back has
   * the new one. A running VM sees it after QMP `block_resize`, or when it opens the disk again. A task.
   */
  growDisk(input: { readonly id: string; readonly sizeBytes: number }): Promise<TaskInfo>;
  /**
   * Puts another base with the same content under a disk: an image, or a restore point. With a snapshot, the base
   * takes the place of that snapshot and of everything below it. The contents are compared first. A task.
   */
  reparentDisk(input: {
    readonly id: string;
    readonly to: { readonly imageId: string } | { readonly path: string };
    readonly snapshotId?: string;
  }): Promise<TaskInfo>;

  /** Gives back the space of zeros in the leaf of a disk that is closed, and stays so. A task. Errors: LOCKED, IN_PROGRESS. */
  compactDisk(input: ById): Promise<TaskInfo>;
  /** Looks for damage in every link of a disk, the leaf only while it is closed. A task; its result has `findings`. */
  checkDisk(input: ById): Promise<TaskInfo>;

  listTasks(): Promise<readonly TaskInfo[]>;
  getTask(input: ById): Promise<TaskInfo>;
  cancelTask(input: ById): Promise<TaskInfo>;
}

/**
 * What is followed instead of asked for again and again. On the wire `POST /v1/<method>` is answered by a line of JSON an
 * event, and an empty line now and then as a sign of life. Every stream begins with all there is, so whoever lost one
 * follows again and has missed nothing. One who reads slowly gets the newest state of each thing, not every one between.
 */
export interface DiskServiceStreams {
  /** With an id, that task only. Errors: NOT_FOUND; SERVICE when the service ends or does not answer. */
  watchTasks(input?: { readonly id?: string }, signal?: AbortSignal): AsyncIterable<WatchEvent<TaskInfo>>;
  /** Disks as they are made, changed, opened, closed, removed, and as their storage fails and recovers. */
  watchDisks(input?: Readonly<Record<never, never>>, signal?: AbortSignal): AsyncIterable<WatchEvent<DiskInfo>>;
}
