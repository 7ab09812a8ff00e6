/** What VMs need of other features, so that neither knows the other's inside. */
import type { DiskSource } from '../../../api/disk.ts';

/** Whose a disk is, as the disk service keeps it. */
export type Owner = `${'vm' | 'job' | 'pool'}:${string}`;

export const ownerOf = (vmId: string): Owner => `vm:${vmId}`;

/** Disks by id, as the disk service keeps them. */
export interface VmDisks {
  /** Throws NOT_FOUND, or CONFLICT where no VM can write to it: an image, a template, a snapshot, a broken file. */
  checkUsable(diskId: string): Promise<void>;
  /** An id for a disk that `create` will make: it tells people what the disk is of, and lies where its source does. */
  newId(name: string, source: DiskSource): string;
  /** Makes the disk. Again, with the same id and owner, is no change. */
  create(diskId: string, name: string, source: DiskSource, owner: Owner): Promise<void>;
  /** Takes a disk that is nobody's. Errors: CONFLICT where it is another's. Again is no change. */
  own(diskId: string, owner: Owner): Promise<void>;
  /** Lets go of a disk, which stays. One that is gone or another's is left alone. */
  disown(diskId: string, owner: Owner): Promise<void>;
  /**
   * ONE-WRITER: serves the disk for writing and says where. `fresh` takes a new lease, which cuts off whoever had it
   * before; without it a disk that is served already goes on as it is.
   */
  serve(diskId: string, options: { readonly fresh: boolean }): Promise<string>;
  /** No VM uses it now: flushed, closed, free. Again is no change. */
  release(diskId: string): Promise<void>;
  /** Deletes a disk of this owner's, or of nobody's. One that is gone is as removed as can be. Errors: CONFLICT: another's. */
  remove(diskId: string, owner: Owner): Promise<void>;
  /** The URI of an image for the CD drive; throws NOT_FOUND. */
  cdUri(imageId: string): Promise<string>;
}

export interface VmEvents {
  /** Something that a person can see may have changed. */
  changed(vmId: string): void;
}
