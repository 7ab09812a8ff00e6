/**
 * A disk as a restore point holds it: its own sectors, and below them those of the restore points that it stands on. Read
 * straight from the repository, at any place, and every piece is checked by its SHA-256 before any byte of it is given out.
 */
import type { Disk, Extent } from '../disk.ts';
import { partOf } from '../disk.ts';
import { VhdError } from '../errors.ts';
import type { Manifest, PointDisk as StoredPointDisk } from './manifest.ts';
import type { PointRef, Repository } from './repository.ts';
import { StoredDisk } from './stored-disk.ts';

/** BOUNDED: restore points that one stands on; retention keeps chains far below. */
export const MAX_POINT_LINKS = 400;
/** Pieces that are kept after they were read. */
const CACHED_PIECES = 24;

/** A stretch that one link of the chain has. */
interface Run {
  readonly link: number;
  /** Entry of the link's index. */
  readonly entry: number;
  readonly offset: number;
  readonly length: number;
}

/** Errors: NOT_FOUND where the point has no such disk or one below is gone; DAMAGED where one below is another; TOO_LARGE, IO. */
export async function openPointDisk(repository: Repository, point: PointRef, diskId: string): Promise<PointDiskReader> {
  const links: StoredDisk[] = [];
  let at = { ...point };
  let wanted: string | undefined;
  for (;;) {
    const manifest = await repository.manifest(at);
    const facts = diskOf(manifest, diskId);
    if (wanted !== undefined && facts.identity !== wanted)
      throw new VhdError('DAMAGED', `${facts.file} of ${at.pointId} is not the one that ${point.pointId} stands on`);
    links.push(await StoredDisk.open(repository, at, facts));
    if (facts.parent === null) break;
    if (MAX_POINT_LINKS <= links.length)
      throw new VhdError('CHAIN_TOO_LONG', `${point.pointId} stands on more than ${MAX_POINT_LINKS} restore points`);
    at = { vmId: point.vmId, pointId: facts.parent.pointId };
    wanted = facts.parent.identity;
  }
  return new PointDiskReader(`${repository.store.name}: disk ${diskId} of ${point.pointId}`, links);
}

/** Errors: NOT_FOUND. */
export function diskOf(manifest: Manifest, diskId: string): StoredPointDisk {
  const found = manifest.disks.find((disk) => disk.diskId === diskId);
  if (found === undefined) throw new VhdError('NOT_FOUND', `restore point ${manifest.id} has no disk ${diskId}`);
  return found;
}

export class PointDiskReader implements Disk {
  readonly name: string;
  readonly sizeBytes: number;
  readonly isReadOnly = true;
  /** Leaf first. */
  readonly links: readonly StoredDisk[];
  readonly #cache = new Map<string, Promise<Uint8Array>>();

  constructor(name: string, links: readonly StoredDisk[]) {
    this.name = name;
    this.links = links;
    this.sizeBytes = links[0]?.facts.sizeBytes ?? 0;
  }

  async read(into: Uint8Array, offset: number, start?: number, length?: number): Promise<void> {
    const to = partOf(into, start, length);
    this.#requireInside(offset, to.byteLength);
    to.fill(0);
    await Promise.all(
      [...this.#runs(offset, to.byteLength)].map(async (run) => {
        const link = this.links[run.link];
        if (link === undefined || link.isZero(run.entry)) return;
        const piece = await this.#piece(run.link, run.entry);
        const from = run.offset - link.offset(run.entry);
        to.set(piece.subarray(from, from + run.length), run.offset - offset);
      }),
    );
  }

  async extents(offset: number, length: number, limit: number = Number.MAX_SAFE_INTEGER): Promise<readonly Extent[]> {
    this.#requireInside(offset, length);
    const found: Extent[] = [];
    let at = offset;
    const add = (to: number, isAllocated: boolean, isZero: boolean, link?: number): void => {
      if (to <= at) return;
      const last = found.at(-1);
      if (last !== undefined && last.isAllocated === isAllocated && last.isZero === isZero && last.link === link)
        found[found.length - 1] = { ...last, length: to - last.offset };
      else found.push({ offset: at, length: to - at, isAllocated, isZero, ...(link === undefined ? {} : { link }) });
      at = to;
    };
    for (const run of this.#runs(offset, length)) {
      if (limit < found.length) break;
      add(run.offset, false, true);
      add(run.offset + run.length, true, this.links[run.link]?.isZero(run.entry) === true, run.link);
    }
    if (found.length <= limit) add(offset + length, false, true);
    return found.slice(0, limit);
  }

  write(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  writeZeroes(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  trim(): Promise<void> {
    return Promise.reject(this.#readOnly());
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {
    this.#cache.clear();
  }

  /** What stores each byte of a range, in order; what no link stores is left out. */
  *#runs(offset: number, length: number, first = 0): Generator<Run> {
    const link = this.links[first];
    const end = offset + length;
    if (link === undefined) return;
    let at = offset;
    for (let entry = link.find(offset); at < end && link.offset(entry) < end; entry++) {
      const from = Math.max(at, link.offset(entry));
      const to = Math.min(end, link.end(entry));
      if (at < from) yield* this.#runs(at, from - at, first + 1);
      yield { link: first, entry, offset: from, length: to - from };
      at = to;
    }
    if (at < end) yield* this.#runs(at, end - at, first + 1);
  }

  #piece(link: number, entry: number): Promise<Uint8Array> {
    const key = `${link}:${entry}`;
    const known = this.#cache.get(key);
    if (known !== undefined) {
      this.#cache.delete(key);
      this.#cache.set(key, known);
      return known;
    }
    const piece = this.links[link]?.read(entry) ?? Promise.reject(new VhdError('CLOSED', `${this.name} is closed`));
    piece.catch(() => this.#cache.delete(key)); // Asked again, it may be there: a share that was away is back.
    this.#cache.set(key, piece);
    const [oldest] = this.#cache.keys();
    if (CACHED_PIECES < this.#cache.size && oldest !== undefined) this.#cache.delete(oldest);
    return piece;
  }

  #requireInside(offset: number, length: number): void {
    if (offset < 0 || this.sizeBytes < offset + length)
      throw new VhdError('OUT_OF_RANGE', `${length} bytes at ${offset} of ${this.name}, which has ${this.sizeBytes}`);
  }

  #readOnly(): VhdError {
    return new VhdError('READ_ONLY', `${this.name} is a restore point: it never changes`);
  }
}
