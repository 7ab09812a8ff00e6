/** `@oriel/vhd`: VHD images. What is exported here is the public interface; everything else may change. */
export { ChainDisk, type ChainOptions, type PushOptions } from './disk/chain-disk.ts';
export type { Disk, Extent, MaybeAsync } from './disk/disk.ts';
export type { Image } from './disk/image.ts';
export type { OpenFinding } from './disk/image-metadata.ts';
export { type OpenChainOptions, type OpenImageOptions, openChain, openImage } from './disk/open.ts';
export type { ChainPolicy } from './disk/parent.ts';
export { fileSystem, type Storage } from './disk/storage.ts';
export { isVhdError, VhdError, type VhdErrorCode } from './errors.ts';
export { connectNbd, NbdClient, type NbdConnectOptions } from './nbd/client.ts';
export type { MetaContext, NbdStats } from './nbd/export.ts';
export { NBD_LIMITS, type NbdLimits } from './nbd/limits.ts';
export { MemoryDisk } from './nbd/memory-disk.ts';
export type { StatusRun } from './nbd/reply.ts';
export { type NbdServer, type NbdTls, type ServedDisk, type ServeNbdOptions, serveNbd } from './nbd/server.ts';
export {
  type CreateChildOptions,
  type CreatedImage,
  type CreateOptions,
  createChild,
  createImage,
} from './ops/create.ts';
export type { OperationOptions, Progress } from './ops/options.ts';
export type {
  DiskInfo,
  DiskRates,
  DiskServiceApi,
  DiskSource,
  DiskState,
  DiskStats,
  ExportInfo,
  Fault,
  ImageInfo,
  ServiceHealth,
  SnapshotInfo,
  TaskInfo,
} from './service/api.ts';
export { connectDiskService, type DiskServiceClient } from './service/client.ts';
export {
  type RunDiskServiceOptions,
  type RunningDiskService,
  runDiskService,
  type StartDiskServiceOptions,
  startDiskService,
} from './service/start.ts';
export { formatSize, parseSize } from './units.ts';
