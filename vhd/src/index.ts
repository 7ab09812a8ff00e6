/** `@oriel/vhd`: VHD images. What is exported here is the public interface; everything else may change. */
export { ChainDisk, type ChainOptions } from './chain/chain-disk.ts';
export { type OpenChainOptions, openChain } from './chain/open.ts';
export type { OperationOptions, Progress } from './copy/options.ts';
export type { Range } from './copy/pieces.ts';
export type { Disk, Extent, MaybeAsync } from './disk.ts';
export { isVhdError, VhdError, type VhdErrorCode } from './errors.ts';
export type { ForeignFormat } from './formats/content.ts';
export { type ContentFormat, contentOf } from './formats/content.ts';
export type { ByteStream, NativeFormat } from './formats/format.ts';
export { type OpenImageOptions, openImage } from './formats/open.ts';
export type { ChainPolicy } from './image/chain-policy.ts';
export type { Finding, FindingCode, OpenFinding, Severity } from './image/finding.ts';
export type { Image } from './image/image.ts';
export { connectNbd, NbdClient, type NbdConnectOptions } from './nbd/client.ts';
export type { MetaContext, NbdStats } from './nbd/export.ts';
export { NBD_LIMITS, type NbdLimits } from './nbd/limits.ts';
export { MemoryDisk } from './nbd/memory-disk.ts';
export type { StatusRun } from './nbd/reply.ts';
export { type NbdServer, type NbdTls, type ServedDisk, type ServeNbdOptions, serveNbd } from './nbd/server.ts';
export { type CheckOptions, checkImage } from './ops/check.ts';
export { type CompactOptions, type CompactResult, compactImage } from './ops/compact.ts';
export { type ConvertOptions, convertDisk, type OpenSourceOptions, openSource } from './ops/convert.ts';
export {
  type CreateChildOptions,
  type CreatedImage,
  type CreateOptions,
  createChild,
  createImage,
} from './ops/create.ts';
export { type DiffOptions, diffDisks } from './ops/diff.ts';
export { type FinishOptions, finishPending } from './ops/finish.ts';
export {
  convertFromForeign,
  convertToForeign,
  FOREIGN_FORMATS,
  type ForeignOptions,
  type ServeDisk,
} from './ops/foreign/foreign.ts';
export { type OpenAnyOptions, openAnySource, type SourceFormat } from './ops/foreign/source.ts';
export { hashDisk } from './ops/hash.ts';
export { chainInfo, type ImageInfo as VhdInfo, type InfoOptions, imageInfo, type ParentInfo } from './ops/info.ts';
export { type MapEntry, mapDisk, mapWindows } from './ops/map.ts';
export { type MergeOptions, type MergeResult, mergeImage } from './ops/merge.ts';
export { type RebaseOptions, type RebaseResult, rebaseImage } from './ops/rebase.ts';
export { receiveDisk } from './ops/receive.ts';
export { type RepairOptions, type RepairResult, repairImage } from './ops/repair.ts';
export { type ResizeOptions, resizeImage } from './ops/resize.ts';
export { type SnapshotOptions, type SnapshotResult, snapshotImage } from './ops/snapshot.ts';
export { type ExportOptions, exportStream } from './ops/stream.ts';
export type {
  DiskInfo,
  DiskRates,
  DiskServiceApi,
  DiskSource,
  DiskState,
  DiskStats,
  ExportedFile,
  ExportFormat,
  ExportInfo,
  Fault,
  ImageInfo,
  ServiceHealth,
  SnapshotInfo,
} from './service/control/api.ts';
export { connectDiskService, type DiskServiceClient } from './service/control/client.ts';
export type { Owner } from './service/control/ids.ts';
export type { TaskInfo, TaskState } from './service/control/task.ts';
export { hasEnded } from './service/control/task.ts';
export type { WatchEvent } from './service/control/watch-event.ts';
export {
  DISK_SERVICE_FLAGS,
  type RunDiskServiceOptions,
  type RunningDiskService,
  runDiskService,
  type StartDiskServiceOptions,
  startDiskService,
} from './service/start.ts';
export { idFrom } from './service/state/records.ts';
export { type ImageLock, type LockHolder, type LockOptions, lockHolder } from './storage/lock.ts';
export { MemoryStorage } from './storage/memory-storage.ts';
export { fileSystem, type Storage } from './storage/storage.ts';
export { formatSize, parseSize } from './units.ts';
