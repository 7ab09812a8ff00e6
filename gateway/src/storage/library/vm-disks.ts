/** The disks of VMs, as VMs need them: made for a VM, its own while it has them, served while it runs. */
import { type DiskState, idFrom } from '@oriel/vhd';
import type { DiskSource } from '../../../api/disk.ts';
import type { Owner, VmDisks } from '../../compute/vms/ports.ts';
import { GatewayError } from '../../errors.ts';
import { FIRST_STORAGE, placeOf, referenceOf } from '../storages/reference.ts';
import type { Storages } from '../storages/storages.ts';
import { discUri } from './discs.ts';
import { asking, isCode } from './errors.ts';
import { type Library, sourceOf } from './library.ts';

export interface StoredVmDisksOptions {
  readonly storages: Storages;
  readonly library: Library;
  /** Folder of disc images (`*.iso`). */
  readonly discFolder: string;
}

export class StoredVmDisks implements VmDisks {
  readonly #options: StoredVmDisksOptions;

  constructor(options: StoredVmDisksOptions) {
    this.#options = options;
  }

  async checkUsable(diskId: string): Promise<void> {
    const state = await this.#state(diskId);
    if (state.state === 'broken') throw new GatewayError('CONFLICT', `disk ${diskId} is damaged (${state.code})`);
  }

  newId(name: string, source: DiskSource): string {
    const storageId = source.from === 'blank' ? FIRST_STORAGE : placeOf(sourceOf(source)).storageId;
    return referenceOf({ storageId, id: idFrom(name) });
  }

  async create(diskId: string, name: string, source: DiskSource, owner: Owner): Promise<void> {
    const { library, storages } = this.#options;
    const { client, id } = storages.locate(diskId);
    const from = await library.usable(source);
    try {
      await asking(`disk ${name}`, client.createDisk({ id, name, source: from, owner }));
    } catch (error) {
      if (!isCode(error, 'ALREADY_EXISTS')) throw error;
      // Made by a gateway that was killed before it could note it down; or another's, which stays that one's.
      const before = await asking(`disk ${diskId}`, client.getDisk({ id }));
      if (before.owner !== owner) throw error;
    }
  }

  async own(diskId: string, owner: Owner): Promise<void> {
    const { client, id } = this.#options.storages.locate(diskId);
    const before = await asking(`disk ${diskId}`, client.getDisk({ id }));
    if (before.owner === owner) return;
    await asking(`disk ${diskId}`, client.setDiskOwner({ id, owner, from: null }));
  }

  async disown(diskId: string, owner: Owner): Promise<void> {
    const { client, id } = this.#options.storages.locate(diskId);
    try {
      await asking(`disk ${diskId}`, client.setDiskOwner({ id, owner: null, from: owner }));
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND', 'CONFLICT')) throw error;
    }
  }

  /** ONE-WRITER: a new lease cuts off whoever had the disk; one that goes on keeps its own. */
  async serve(diskId: string, { fresh }: { readonly fresh: boolean }): Promise<string> {
    const { client, id } = this.#options.storages.locate(diskId);
    if (!fresh) {
      const state = await this.#state(diskId);
      if ((state.state === 'open' || state.state === 'faulted') && state.export.mode === 'write')
        return state.export.uri;
    }
    return (await asking(`disk ${diskId}`, client.openDisk({ id, mode: 'write' }))).uri;
  }

  async release(diskId: string): Promise<void> {
    const { client, id } = this.#options.storages.locate(diskId);
    try {
      await asking(`disk ${diskId}`, client.closeDisk({ id }));
    } catch (error) {
      // A disk that is gone is as free as can be.
      if (!isCode(error, 'NOT_FOUND')) throw error;
    }
  }

  async remove(diskId: string, owner: Owner): Promise<void> {
    const { client, id } = this.#options.storages.locate(diskId);
    try {
      const before = await asking(`disk ${diskId}`, client.getDisk({ id }));
      // One of a gateway that knew no owners is nobody's.
      await asking(`disk ${diskId}`, client.removeDisk({ id, owner: before.owner === null ? null : owner }));
    } catch (error) {
      if (!isCode(error, 'NOT_FOUND')) throw error;
    }
  }

  async cdUri(imageId: string): Promise<string> {
    return discUri(this.#options.discFolder, imageId);
  }

  async #state(diskId: string): Promise<DiskState> {
    const { client, id } = this.#options.storages.locate(diskId);
    return (await asking(`disk ${diskId}`, client.getDisk({ id }))).state;
  }
}
