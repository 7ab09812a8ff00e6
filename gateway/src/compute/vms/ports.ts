/** What VMs need of other features, so that neither knows the other's inside. */
import type { DiskSource } from '../../../api/disk.ts';

/** Disks by id, as the disk service keeps them. */
export interface VmDisks {
  /** Throws NOT_FOUND, or CONFLICT where no VM can write to it: an image, a template, a snapshot, a broken file. */
  checkUsable(diskId: string): Promise<void>;
  create(name: string, source: DiskSource, signal?: AbortSignal): Promise<{ readonly id: string }>;
  /**
   * ONE-WRITER: serves the disk for writing and says where. `fresh` takes a new lease, which cuts off whoever had it
   * before; without it a disk that is served already goes on as it is.
   */
  serve(diskId: string, options: { readonly fresh: boolean }): Promise<string>;
  /** No VM uses it now: flushed, closed, free. Again is no change. */
  release(diskId: string): Promise<void>;
  remove(diskId: string): Promise<void>;
  /** The URI of an image for the CD drive; throws NOT_FOUND. */
  cdUri(imageId: string): Promise<string>;
}

export interface VmEvents {
  /** Something that a person can see may have changed. */
  changed(vmId: string): void;
}
