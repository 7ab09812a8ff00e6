/**
 * Writing a disk into a repository. Its map is walked twice and its data read once: the first walk says where everything
 * goes, so that the VHD can be sent as it is read and memory stays the same at any size.
 */
import { type OperationOptions, throwIfCancelled } from '../copy/options.ts';
import type { Range } from '../copy/pieces.ts';
import { dataRuns } from '../copy/zeros.ts';
import type { MaybeAsync } from '../disk.ts';
import { planSectorImage, type SectorImage } from '../formats/vhd/sector-image.ts';
import type { ParentLink } from '../image/parent-link.ts';
import type { Part } from '../image/patch.ts';
import { EXTENT, MAX_EXTENT_BYTES, type StoredExtent } from './extent-index.ts';
import { IndexSpool } from './index-store.ts';
import type { PointDisk } from './manifest.ts';
import { inOrder } from './ordered.ts';
import type { PointRef, Repository } from './repository.ts';
import { newSalt, Sealing, sha256 } from './sealing.ts';

/** Pieces that are read, hashed and packed at a time. */
const PIECES_AHEAD = 6;
/** What pieces have around them takes less than that for each of their bytes: 17 bytes for 512 or more. */
const PIECE_HEADS = 1 / 30;
const NO_HASH: Uint8Array = new Uint8Array(32);

/** What is to be written: some sectors of a disk. */
export interface SectorSource {
  readonly sizeBytes: number;
  /** In order, apart, whole sectors; the same each time. */
  runs(): AsyncIterable<Range>;
  read(into: Uint8Array, offset: number): MaybeAsync;
}

export interface WriteDiskOptions extends OperationOptions {
  readonly point: PointRef;
  /** Names of the objects, without an ending. */
  readonly name: string;
  readonly identity: string;
  /** The time that the VHD carries. */
  readonly now: Date;
  /** Whose child it is; a full one when left out. */
  readonly parent?: ParentLink;
  readonly keptUntil?: Date;
}

/** What was written. */
export type WrittenDisk = Pick<
  PointDisk,
  | 'file'
  | 'form'
  | 'compression'
  | 'salt'
  | 'lengthBytes'
  | 'index'
  | 'indexSha256'
  | 'extents'
  | 'dataBytes'
  | 'storedBytes'
>;

/** Writes a VHD of the sectors, and its index. Errors: CANCELLED, EXISTS, NO_SPACE, those of source and store. */
export async function writeDisk(
  repository: Repository,
  source: SectorSource,
  options: WriteDiskOptions,
): Promise<WrittenDisk> {
  const { store, config, dataKey } = repository;
  const { form } = config;
  const { point, name, keptUntil, signal } = options;
  const plan = await planOf(source, options);
  const salt = newSalt();
  const file = `${name}.${form === 'vhd' ? 'vhd' : 'box'}`;
  const index = `${name}.index`;
  const spool = new IndexSpool();
  try {
    const writer = new DiskWriter(
      plan,
      source,
      options,
      spool,
      form === 'vhd' ? undefined : new Sealing(config.compression, dataKey, salt, 'data'),
    );
    const putting = {
      isNew: true,
      ...(keptUntil === undefined ? {} : { keptUntil }),
      ...(signal === undefined ? {} : { signal }),
    };
    const { lengthBytes } = plan.image;
    const length =
      form === 'vhd' ? { lengthBytes } : { atMostBytes: lengthBytes + Math.ceil(lengthBytes * PIECE_HEADS) };
    await store.put(repository.keyOf(point, file), writer.parts(), { ...putting, ...length });
    const object = spool.object(new Sealing('none', dataKey, salt, 'index'));
    await store.put(repository.keyOf(point, index), object.parts, putting);
    return {
      file,
      form,
      compression: config.compression,
      salt,
      lengthBytes: plan.image.lengthBytes,
      index,
      indexSha256: object.sha256(),
      extents: spool.extents,
      dataBytes: writer.dataBytes,
      storedBytes: writer.storedBytes + object.bytes(),
    };
  } finally {
    spool.close();
  }
}

interface Plan {
  readonly image: SectorImage;
  readonly totalBytes: number;
}

async function planOf(source: SectorSource, { identity, now, parent, signal }: WriteDiskOptions): Promise<Plan> {
  const blocks: number[] = [];
  let totalBytes = 0;
  const { blockBytes } = planSectorImage(source.sizeBytes, [], { identity, now }, parent);
  for await (const { offset, length } of source.runs()) {
    throwIfCancelled(signal);
    totalBytes += length;
    const last = Math.floor((offset + length - 1) / blockBytes);
    for (let block = Math.floor(offset / blockBytes); block <= last; block++)
      if (blocks.at(-1) !== block) blocks.push(block);
  }
  return { image: planSectorImage(source.sizeBytes, blocks, { identity, now }, parent), totalBytes };
}

/** One step of the file: bytes of its structure, or a stretch of the disk. */
type Step = { readonly part: Part } | { readonly range: Range };

interface Piece {
  readonly kind: number;
  readonly offset: number;
  readonly length: number;
  readonly position: number;
  readonly stored: Uint8Array | undefined;
  readonly sha256: Uint8Array;
}

class DiskWriter {
  dataBytes = 0;
  storedBytes = 0;
  readonly #plan: Plan;
  readonly #source: SectorSource;
  readonly #options: WriteDiskOptions;
  readonly #spool: IndexSpool;
  readonly #sealing: Sealing | undefined;
  /** Buffers that nobody looks at any more: one for each piece would be as much garbage as the disk has data. */
  readonly #free: Buffer[] = [];

  constructor(
    plan: Plan,
    source: SectorSource,
    options: WriteDiskOptions,
    spool: IndexSpool,
    sealing: Sealing | undefined,
  ) {
    this.#plan = plan;
    this.#source = source;
    this.#options = options;
    this.#spool = spool;
    this.#sealing = sealing;
  }

  async *parts(): AsyncGenerator<Part> {
    const { onProgress, signal } = this.#options;
    const { totalBytes } = this.#plan;
    let doneBytes = 0;
    for await (const pieces of inOrder(this.#steps(), PIECES_AHEAD, (step) => this.#take(step))) {
      throwIfCancelled(signal);
      for (const piece of pieces) {
        const { stored, ...rest } = piece;
        const storedAt = this.#sealing === undefined ? piece.position : this.storedBytes;
        const storedBytes = stored?.byteLength ?? 0;
        this.#spool.add({ ...rest, storedAt: stored === undefined ? 0 : storedAt, storedBytes } satisfies StoredExtent);
        if (piece.kind !== EXTENT.structure) this.dataBytes += piece.length;
        if (stored !== undefined) yield { offset: storedAt, bytes: stored };
        this.storedBytes += storedBytes;
        if (piece.kind !== EXTENT.structure) doneBytes += piece.length;
      }
      onProgress?.({ doneBytes: Math.min(doneBytes, totalBytes), totalBytes });
    }
  }

  async *#steps(): AsyncGenerator<Step> {
    const { image } = this.#plan;
    for (const part of image.head) yield { part };
    let block = -1;
    let ranges: Range[] = [];
    const flush = function* (): Generator<Step> {
      if (ranges.length === 0) return;
      yield { part: image.bitmapOf(block, ranges) };
      for (const range of ranges) yield { range };
      ranges = [];
    };
    for await (const run of this.#source.runs()) {
      for (let at = run.offset; at < run.offset + run.length; ) {
        const here = Math.floor(at / image.blockBytes);
        if (here !== block) yield* flush();
        block = here;
        const stop = Math.min(run.offset + run.length, (here + 1) * image.blockBytes, at + MAX_EXTENT_BYTES);
        ranges.push({ offset: at, length: stop - at });
        at = stop;
      }
    }
    yield* flush();
    yield { part: image.tail };
  }

  async #take(step: Step): Promise<readonly Piece[]> {
    if ('part' in step) {
      const { offset: position, bytes } = step.part;
      return [await this.#piece(EXTENT.structure, 0, position, bytes)];
    }
    const { offset, length } = step.range;
    const buffer = this.#free.pop() ?? Buffer.allocUnsafeSlow(MAX_EXTENT_BYTES);
    const bytes = buffer.subarray(0, length);
    await this.#source.read(bytes, offset);
    const pieces: Piece[] = [];
    let at = 0;
    const zeros = (to: number): void => {
      // In a full one, what is not there reads as zero.
      if (at < to && this.#options.parent !== undefined)
        pieces.push({
          kind: EXTENT.zero,
          offset: offset + at,
          length: to - at,
          position: 0,
          stored: undefined,
          sha256: NO_HASH,
        });
      at = to;
    };
    for (const { start, end } of dataRuns(bytes)) {
      zeros(start);
      const position = this.#plan.image.positionOf(offset + start);
      pieces.push(await this.#piece(EXTENT.data, offset + start, position, bytes.subarray(start, end)));
      at = end;
    }
    zeros(length);
    if (this.#sealing !== undefined) this.#free.push(buffer); // What is stored is a copy of it.
    return pieces;
  }

  async #piece(kind: number, offset: number, position: number, bytes: Uint8Array): Promise<Piece> {
    const sealed = this.#sealing?.seal(bytes, position); // Under way while the rest is done here.
    const hash = sha256(bytes);
    return { kind, offset, length: bytes.byteLength, position, stored: (await sealed) ?? bytes, sha256: hash };
  }
}
