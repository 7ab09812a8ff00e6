/**
 * Random programs on a disk service with two disks of a VM: writes, zeros and flushes through the exports, and live verbs
 * beside them. Everything is recorded, and a model says what a fresh service may find after a power cut at any moment.
 */
import { openChain } from '../../chain/open.ts';
import type { Disk } from '../../disk.ts';
import { isVhdError } from '../../errors.ts';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import type { Storage } from '../../storage/storage.ts';
import type { Cut } from '../../testing/power-cuts.ts';
import { Random } from '../../testing/random.ts';
import { RecordingStorage } from '../../testing/recording-storage.ts';
import { SECTOR_BYTES } from '../../units.ts';
import type { DiskInfo } from '../control/api.ts';
import { hasEnded } from '../control/task.ts';
import type { DiskRecord } from '../state/records.ts';
import { BLOCK_SECTORS, DiskModel } from './disk-model.ts';
import { FOLDER, MemoryService } from './memory-service.ts';
import { assertInstant, type SnapshotModel } from './snapshot-model.ts';

const BASE_SECTORS = 2 * BLOCK_SECTORS;
/** From here on a write goes through the thread pool, and others overtake it. */
const LARGE_SECTORS = 1024;

/** False where there was nothing to do. */
type Verb = (model: DiskModel) => Promise<boolean>;

export class ServiceProgram {
  readonly recording: RecordingStorage = new RecordingStorage(new MemoryStorage());
  readonly #random: Random;
  readonly #stamps = { next: 1 };
  readonly #models: readonly DiskModel[];
  readonly #verbs: Promise<void>[] = [];
  readonly #busy = new Set<string>();
  #service: MemoryService | undefined;
  #names = 0;
  /** How often each verb was through. */
  readonly counts: Record<string, number> = {};

  constructor(seed: number) {
    this.#random = new Random(seed);
    this.#models = ['a', 'b'].map((id) => new DiskModel(id, BASE_SECTORS, this.#stamps));
  }

  /** Two disks that are open: one is a clone of an image, of which there is a twin, one stands alone. */
  async prepare(): Promise<void> {
    const { inner } = this.recording;
    const service = await MemoryService.start(inner);
    const sizeBytes = BASE_SECTORS * SECTOR_BYTES;
    const [clone] = this.#models;
    const writes = [3, BLOCK_SECTORS - 1, BLOCK_SECTORS + 7].map((sector) => ({
      sector,
      bytes: clone?.history.stamp(sector, 2, -1).bytes ?? new Uint8Array(0),
    }));
    for (const id of ['base', 'twin']) {
      await service.api.createImage({ id, name: id, sizeBytes });
      const chain = await openChain(`${FOLDER}/images/${id}.vhd`, { storage: inner, isReadOnly: false });
      for (const { sector, bytes } of writes) await chain.write(bytes, sector * SECTOR_BYTES);
      await chain.close();
      await service.api.sealImage({ id });
    }
    await service.api.createDisk({ id: 'a', name: 'a', source: { from: 'image', imageId: 'base' } });
    await service.api.createDisk({ id: 'b', name: 'b', source: { from: 'blank', sizeBytes } });
    for (const model of this.#models) {
      const { id, history } = model;
      await service.api.openDisk({ id });
      for (const sector of history.sectors) model.watch(sector, 1);
      history.settle();
    }
    await service.api.stop();
    this.recording.start();
  }

  async run(steps: number): Promise<void> {
    this.#service = await MemoryService.start(this.recording);
    const restartAt = this.#random.chance(0.5) ? this.#random.below(steps) : -1;
    const flushes: Promise<void>[] = [];
    for (let i = 0; i < steps; i++) {
      const model = this.#random.pick(this.#models);
      const kind = this.#random.below(10);
      if (kind < 4) await this.#write(model);
      else if (kind === 4) await this.#zero(model);
      else if (kind < 7) flushes.push(this.#flush(model));
      else await this.#verb(model);
      if (this.#random.chance(0.2)) await Promise.all(flushes);
      if (this.#random.chance(0.3)) await Promise.all(this.#verbs);
      if (i === restartAt) await this.#restart(flushes);
    }
    await Promise.all([...flushes, ...this.#verbs]);
    await this.#service.api.stop();
  }

  /** Opens what a cut has left with a fresh service, and compares it with the model; twice, since tasks go on meanwhile. */
  async check(storage: MemoryStorage, cut: Cut): Promise<void> {
    const service = await MemoryService.start(storage);
    const random = new Random(cut.index);
    await this.#verify(service, cut, 0.1);
    for (const { id } of await service.api.listTasks()) await service.ended(id);
    const open = (await service.api.listTasks()).filter((task) => !hasEnded(task));
    if (0 < open.length) throw new Error(`task ${open[0]?.kind} is left ${open[0]?.state}`);
    for (const { id, chainLength } of await this.#verify(service, cut, 0.5)) verifyFiles(storage, id, chainLength);
    // Life goes on: what the cut left behind must not show in what is written now.
    const fresh = new Map(this.#models.map(({ id }) => [id, random.below(BASE_SECTORS)]));
    for (const { id } of this.#models) {
      await service.diskOf(id).write(new Uint8Array(SECTOR_BYTES), (fresh.get(id) ?? 0) * SECTOR_BYTES);
      await service.diskOf(id).flush();
    }
    if (random.chance(0.3)) {
      const after = await service.api.snapshotDisks({ ids: ['a', 'b'], name: 'after' });
      if (after.state !== 'done')
        throw new Error(`a snapshot after the cut is ${after.state}: ${after.error?.message}`);
    }
    for (const model of this.#models)
      await model.verify(service.diskOf(model.id), cut.index, cut.isTornWithin, fresh.get(model.id));
    await service.api.stop();
  }

  /** `share`: of the snapshots, those that are read. */
  async #verify(service: MemoryService, cut: Cut, share: number): Promise<readonly DiskInfo[]> {
    const random = new Random(cut.index);
    const listed = await service.api.listDisks();
    for (const model of this.#models) {
      const info = listed.find(({ id }) => id === model.id);
      if (info?.state.state !== 'open')
        throw new Error(`disk ${model.id} is ${info === undefined ? 'gone' : JSON.stringify(info.state)}`);
      model.verifyInfo(info, cut.index);
      await model.verify(service.diskOf(model.id), cut.index, cut.isTornWithin);
      for (const { id, name } of info.snapshots)
        if (random.chance(share)) await model.verifySnapshot(service, id, name, cut);
    }
    return listed;
  }

  async #write(model: DiskModel): Promise<void> {
    const [first, count] = this.#range(model);
    const issued = model.history.stamp(first, count, this.recording.log.length);
    model.watch(first, count);
    this.recording.mark(`write ${model.id}`);
    await this.#disk(model).write(issued.bytes, first * SECTOR_BYTES);
    issued.answered(this.recording.log.length);
  }

  async #zero(model: DiskModel): Promise<void> {
    const [first, count] = this.#range(model);
    const issued = model.history.zero(first, count, this.recording.log.length);
    model.watch(first, count);
    this.recording.mark(`zero ${model.id}`);
    await this.#disk(model).writeZeroes(first * SECTOR_BYTES, count * SECTOR_BYTES, {
      mayUnmap: this.#random.chance(0.5),
    });
    issued.answered(this.recording.log.length);
  }

  async #flush({ id, history }: DiskModel): Promise<void> {
    const asked = this.recording.log.length;
    await this.#service?.diskOf(id).flush();
    this.recording.mark(`flushed ${id}`);
    history.flushed(asked, this.recording.log.length);
  }

  /** Few places, so that they are written again and again, in every link. */
  #range({ sectors }: DiskModel): readonly [number, number] {
    const spots = [0, 3, BLOCK_SECTORS - 2, BLOCK_SECTORS + 7, sectors - 3];
    const first = this.#random.pick(spots) + this.#random.below(3);
    const wanted = this.#random.pick([1, 1, 1, 2, 2, 7, 7, 8, 20, this.#random.chance(0.2) ? LARGE_SECTORS : 3]);
    return [first, Math.min(sectors - first, wanted)];
  }

  #disk({ id }: DiskModel): Disk {
    if (this.#service === undefined) throw new Error('call run() first');
    return this.#service.diskOf(id);
  }

  /** A verb of a disk that no other verb is at; most are not waited for: writes come while they run. */
  async #verb(model: DiskModel): Promise<void> {
    const isBoth = this.#random.chance(0.3);
    const models = isBoth ? this.#models : [model];
    if (models.some(({ id }) => this.#busy.has(id))) return;
    const wanted = this.#random.pick(Object.keys(this.#live));
    // Most of them need a snapshot.
    const name = isBoth || this.#record(model).snapshots.length === 0 ? 'snapshot' : wanted;
    if (isBoth) void this.#start(models, name, () => this.#snapshot(models));
    else if (name === 'discard') await this.#start(models, name, () => this.#discard(model));
    else void this.#start(models, name, () => this.#live[name]?.(model) ?? Promise.resolve(false));
  }

  #start(models: readonly DiskModel[], name: string, verb: () => Promise<boolean>): Promise<void> {
    for (const { id } of models) this.#busy.add(id);
    const free = (): void => models.forEach(({ id }) => this.#busy.delete(id));
    const done = verb().then((isDone) => {
      if (isDone) this.counts[name] = (this.counts[name] ?? 0) + 1;
    });
    const settled = done.finally(free);
    this.#verbs.push(settled);
    settled.catch(() => undefined); // Told to whoever waits for all of them.
    return settled;
  }

  readonly #live: Readonly<Record<string, Verb>> = {
    snapshot: (model) => this.#snapshot([model]),
    remove: (model) => this.#fold(model, 'removeSnapshot'),
    merge: (model) => this.#fold(model, 'mergeDown'),
    commit: (model) => this.#commit(model),
    discard: (model) => this.#discard(model),
    grow: (model) => this.#grow(model),
    reparent: (model) => this.#reparent(model),
    owner: (model) => this.#owner(model),
  };

  async #snapshot(models: readonly DiskModel[]): Promise<boolean> {
    const name = `s${++this.#names}`;
    const asked = this.recording.log.length;
    this.recording.mark(`snapshot ${name} of ${models.map(({ id }) => id).join()}`);
    const taken = models.map((model) => model.addSnapshot(name, asked));
    const task = await this.#api.snapshotDisks({ ids: models.map(({ id }) => id), name, operationId: name });
    if (task.state !== 'done') throw new Error(`${name} ${task.state}: ${task.error?.message}`);
    const answered = this.recording.log.length;
    this.recording.mark(`taken ${name}`);
    const ids = task.result?.['snapshots'] as Readonly<Record<string, string>>;
    for (const [at, model] of models.entries()) {
      const snapshot = taken[at] as SnapshotModel;
      await this.#service?.whileSnapshot(model.id, ids[model.id] ?? '', (disk) =>
        model.learnSnapshot(snapshot, disk, answered),
      );
      model.history.flushed(asked, answered);
    }
    if (1 < models.length) assertInstant(name, models, taken);
    return true;
  }

  async #fold(model: DiskModel, verb: 'removeSnapshot' | 'mergeDown'): Promise<boolean> {
    const record = this.#record(model);
    const snapshot = record.snapshots[this.#random.below(Math.max(1, record.snapshots.length))];
    if (snapshot === undefined) return false;
    const below = record.links[record.links.indexOf(snapshot.file) - 1];
    if (verb === 'mergeDown' && below === undefined) return false;
    const file = verb === 'mergeDown' ? below : snapshot.file;
    await this.#losing(model, file, () => this.#api[verb]({ id: model.id, snapshotId: snapshot.id }));
    return true;
  }

  async #commit(model: DiskModel): Promise<boolean> {
    const file = this.#record(model).links.at(-2);
    if (file === undefined) return false;
    await this.#losing(model, file, () => this.#api.commitLeaf({ id: model.id }));
    return true;
  }

  /** A fold into a file, whose snapshot is gone by it. */
  async #losing(
    model: DiskModel,
    file: string | undefined,
    verb: () => Promise<{ readonly id: string }>,
  ): Promise<void> {
    const gone = this.#record(model).snapshots.find((snapshot) => snapshot.file === file);
    const asked = this.recording.log.length;
    this.recording.mark(`fold into ${model.id}/${file}`);
    if (gone !== undefined) model.removing(gone.name, asked);
    const { id } = await verb();
    await this.#done(id);
    if (gone !== undefined) model.removed(gone.name, this.recording.log.length);
    this.recording.mark('folded');
  }

  /** Back to the snapshot below the leaf; only where there is one that is known. */
  async #discard(model: DiskModel): Promise<boolean> {
    const record = this.#record(model);
    const below = record.snapshots.find(({ file }) => file === record.links.at(-2));
    const known = below === undefined ? undefined : model.contentOf(below.name);
    if (known === undefined) return false;
    await this.#flush(model);
    const asked = this.recording.log.length;
    const reverted = model.history.revert(known, asked);
    this.recording.mark(`discard ${model.id}`);
    const task = await this.#api.discardLeaf({ id: model.id });
    if (task.state !== 'done') throw new Error(`discard ${task.state}: ${task.error?.message}`);
    const answered = this.recording.log.length;
    reverted.answered(answered);
    model.history.flushed(answered, answered);
    this.recording.mark('discarded');
    return true;
  }

  async #grow(model: DiskModel): Promise<boolean> {
    if (3 * BLOCK_SECTORS < model.sectors) return false;
    const sectors = model.sectors + BLOCK_SECTORS - 5;
    const asked = this.recording.log.length;
    model.growing(sectors, asked);
    this.recording.mark(`grow ${model.id}`);
    const task = await this.#api.growDisk({ id: model.id, sizeBytes: sectors * SECTOR_BYTES });
    if (task.state !== 'done') throw new Error(`grow ${task.state}: ${task.error?.message}`);
    model.grown(this.recording.log.length);
    return true;
  }

  async #reparent(model: DiskModel): Promise<boolean> {
    const { imageId } = this.#record(model);
    if (imageId === null) return false;
    this.recording.mark(`reparent ${model.id}`);
    const { id } = await this.#api.reparentDisk({
      id: model.id,
      to: { imageId: imageId === 'base' ? 'twin' : 'base' },
    });
    await this.#done(id);
    return true;
  }

  async #owner(model: DiskModel): Promise<boolean> {
    const owner = `vm:${++this.#names}` as const;
    model.owning(owner, this.recording.log.length);
    await this.#api.setDiskOwner({ id: model.id, owner });
    model.owned(this.recording.log.length);
    return true;
  }

  async #restart(flushes: readonly Promise<void>[]): Promise<void> {
    await Promise.all([...flushes, ...this.#verbs]);
    const asked = this.recording.log.length;
    await this.#api.stop();
    for (const { history } of this.#models) history.flushed(asked, this.recording.log.length);
    this.recording.mark('restart');
    this.#service = await MemoryService.start(this.recording);
  }

  async #done(id: string): Promise<void> {
    const task = await this.#service?.ended(id);
    if (task?.state !== 'done') throw new Error(`${task?.kind} ${task?.state}: ${task?.error?.message}`);
  }

  get #api(): MemoryService['api'] {
    if (this.#service === undefined) throw new Error('call run() first');
    return this.#service.api;
  }

  #record({ id }: DiskModel): DiskRecord {
    return recordOf(this.recording.inner, id);
  }
}

function recordOf(storage: Storage, id: string): DiskRecord {
  const file = storage.open(`${FOLDER}/disks/${id}/disk.json`, 'read');
  const bytes = new Uint8Array(file.sizeBytes);
  file.readSync(bytes, 0, bytes.byteLength, 0);
  void file.close();
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as DiskRecord;
}

/** The record, the files and the chain agree. What is left besides is of no image that a record could name. */
function verifyFiles(storage: MemoryStorage, id: string, chainLength: number): void {
  const record = recordOf(storage, id);
  const names = storage.list(`${FOLDER}/disks/${id}`);
  const missing = record.links.find((link) => !names.includes(link));
  if (missing !== undefined) throw new Error(`${id}/${missing} is named by the record and not there`);
  const named = record.links.length + (record.imageId === null ? 0 : 1);
  if (named !== chainLength) throw new Error(`disk ${id} has ${chainLength} links open, ${named} in its record`);
  for (const { name, file } of record.snapshots)
    if (!record.links.slice(0, -1).includes(file))
      throw new Error(`snapshot ${name} is of ${file}, no link below the leaf`);
  try {
    if (record.imageId !== null) storage.resolve(`${FOLDER}/images/${record.imageId}.vhd`);
  } catch (error) {
    if (isVhdError(error, 'NOT_FOUND')) throw new Error(`disk ${id} is of image ${record.imageId}, which is not there`);
    throw error;
  }
}
