/** Disks that are only names, and remember whose they are and what was asked of them. */
import { GatewayError } from '../../../errors.ts';
import type { Owner, VmDisks } from '../ports.ts';

export class NamedDisks implements VmDisks {
  readonly said: string[] = [];
  /** Whose each disk is; null: nobody's. */
  readonly owners: Map<string, Owner | null>;
  #count = 0;

  /** `owners`: of disks that another one knew. */
  constructor(owners: Map<string, Owner | null> = new Map()) {
    this.owners = owners;
  }

  async checkUsable(diskId: string): Promise<void> {
    if (!this.owners.has(diskId)) throw new GatewayError('NOT_FOUND', `no disk ${diskId}`);
  }
  newId(name: string): string {
    return `${name}-${++this.#count}`;
  }
  async create(diskId: string, _name: string, _source: unknown, owner: Owner): Promise<void> {
    this.owners.set(diskId, owner);
  }
  async own(diskId: string, owner: Owner): Promise<void> {
    const now = this.owners.get(diskId);
    if (now !== null && now !== owner) throw new GatewayError('CONFLICT', `disk ${diskId} is another's`);
    this.owners.set(diskId, owner);
  }
  async disown(diskId: string, owner: Owner): Promise<void> {
    if (this.owners.get(diskId) === owner) this.owners.set(diskId, null);
  }
  async serve(diskId: string, { fresh }: { fresh: boolean }): Promise<string> {
    this.said.push(`${fresh ? 'lease' : 'keep'} ${diskId}`);
    return `nbd+unix:///${diskId}?socket=/run/disks`;
  }
  async release(diskId: string): Promise<void> {
    this.said.push(`release ${diskId}`);
  }
  async remove(diskId: string): Promise<void> {
    this.owners.delete(diskId);
    this.said.push(`remove ${diskId}`);
  }
  async cdUri(): Promise<string> {
    return 'file:///disc.iso';
  }
}
