/** `@oriel/vhd/restore-points`: disks in a repository. Apart from the rest of the package, whose users need none of it. */
export { isVhdError } from './errors.ts';
export { connectNbd } from './nbd/client.ts';
export { FolderStore } from './objects/folder-store.ts';
export type { ObjectInfo, ObjectStore, PutOptions } from './objects/object-store.ts';
export { openS3Store, type S3Credentials, type S3Options } from './objects/s3-client.ts';
export { exportPoint } from './restore-points/export.ts';
export type { Manifest, PointConsistency, PointDisk } from './restore-points/manifest.ts';
export { dropPoint, makeFull } from './restore-points/merge-forward.ts';
export { diskOf, openPointDisk, PointDiskReader } from './restore-points/point-disk.ts';
export { type Replicated, replicate } from './restore-points/replicate.ts';
export {
  CONFIG_KEY,
  createRepository,
  type NewRepositoryOptions,
  openRepository,
  type PointRef,
  Repository,
  type RepositoryConfig,
} from './restore-points/repository.ts';
export { type Swept, sweepRepository } from './restore-points/sweep.ts';
export { type DiskToTake, type PointToTake, takePoint } from './restore-points/take.ts';
export { type Damage, type VerifyOptions, verifyPoint } from './restore-points/verify.ts';
