/**
 * Restore points against a model: a disk that is written to, taken, merged, pruned and put together again; every restore
 * point that is left holds what the disk held at its instant, in every form that a repository has.
 */
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { convertDisk, type DiskServiceApi, hashDisk, openChain, type TaskInfo, VhdError } from '@oriel/vhd';
import {
  createRepository,
  dropPoint,
  exportPoint,
  FolderStore,
  type Manifest,
  makeFull,
  type NewRepositoryOptions,
  type ObjectStore,
  openPointDisk,
  openRepository,
  openS3Store,
  type Repository,
  replicate,
  sweepRepository,
  takePoint,
  verifyPoint,
} from '@oriel/vhd/restore-points';
import { afterAll, describe, expect, test } from 'vitest';
import { EXTENT, type StoredExtent } from '../../vhd/src/restore-points/extent-index.ts';
import { IndexSpool, readIndex } from '../../vhd/src/restore-points/index-store.ts';
import { newSalt, Sealing } from '../../vhd/src/restore-points/sealing.ts';
import { clientOf, DEPTH, done, MIB, onCleanup, seeded, serviceIn, tempFolder } from '../disk-service/setup.ts';
import { S3Server } from '../support/s3-server.ts';

const SIZE = 9 * MIB + 512;
const SECRET = Buffer.from('correct horse battery staple');
const FORMS: readonly (NewRepositoryOptions & { readonly it: string })[] = [
  { it: 'plain VHDs', form: 'vhd' },
  { it: 'a container', form: 'container' },
  { it: 'compressed', compression: 'zstd' },
  { it: 'compressed and encrypted', compression: 'zstd', secret: SECRET },
];

/** A disk that is served, what it holds, and runs of a backup job as the gateway makes them. */
class Subject {
  readonly api: DiskServiceApi;
  readonly model: Buffer = Buffer.alloc(SIZE);
  readonly #repository: Repository;
  #disk: Awaited<ReturnType<typeof clientOf>> | undefined;
  #anchor: string | undefined;
  #runs = 0;

  constructor(api: DiskServiceApi, repository: Repository) {
    this.api = api;
    this.#repository = repository;
  }

  async open(): Promise<void> {
    await this.api.createDisk({ id: 'd', name: 'System', source: { from: 'blank', sizeBytes: SIZE } });
    this.#disk = await clientOf((await this.api.openDisk({ id: 'd' })).uri);
  }

  async write(offset: number, bytes: Buffer): Promise<void> {
    bytes.copy(this.model, offset);
    await this.#disk?.write(bytes, offset);
  }

  async trim(offset: number, length: number): Promise<void> {
    this.model.fill(0, offset, offset + length);
    await this.#disk?.writeZeroes(offset, length, { mayUnmap: true });
  }

  /** A run: snapshot, copy, and what was the last one's snapshot goes. */
  async run(options: { isFull?: boolean; losesAnchor?: boolean } = {}): Promise<Manifest> {
    await this.#disk?.flush();
    const task = await done(
      this.api,
      this.api.snapshotDisks({ ids: ['d'], name: `run-${++this.#runs}`, owner: 'job:j' }),
    );
    const snapshotId = snapshotOf(task);
    if (options.losesAnchor === true) await this.#dropAnchor();
    const served = await this.api.openSnapshot({ id: 'd', snapshotId });
    const disk = { diskId: 'd', name: 'System', deviceId: 'disk0', bus: 'virtio-blk', snapshotId, uri: served.uri };
    const manifest = await takePoint(this.#repository, {
      vm: { id: 'vm-1', name: 'desk', definition: { cpus: 2 } },
      createdAt: new Date(Date.UTC(2026, 0, 1) + this.#runs * 3_600_000),
      consistency: { level: 'crash', reason: 'no agent' },
      madeBy: { gateway: 'g', version: '0', job: null },
      keptUntil: null,
      disks: [disk],
      ...(options.isFull === undefined ? {} : { isFull: options.isFull }),
    });
    await this.api.closeSnapshot({ id: 'd', snapshotId });
    if (options.losesAnchor !== true) await this.#dropAnchor();
    this.#anchor = snapshotId;
    return manifest;
  }

  async #dropAnchor(): Promise<void> {
    if (this.#anchor !== undefined)
      await done(this.api, this.api.removeSnapshot({ id: 'd', snapshotId: this.#anchor }));
  }
}

const snapshotOf = ({ result }: TaskInfo): string =>
  (result as { snapshots: Record<string, string> }).snapshots['d'] ?? '';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

async function contentOf(repository: Repository, { vm, id }: Manifest): Promise<string> {
  const disk = await openPointDisk(repository, { vmId: vm.id, pointId: id }, 'd');
  return await hashDisk(disk);
}

/** Where a repository is tried. */
const PLACES = [
  { place: 'a folder', storeIn: async (folder: string): Promise<ObjectStore> => folderIn(folder) },
  { place: 'a bucket', storeIn: bucketPlace },
];

const folderIn = (folder: string): ObjectStore => new FolderStore(path.join(folder, 'repository'));

let s3: Promise<{ readonly server: S3Server; readonly bucket: string }> | undefined;

afterAll(async () => (await s3)?.server.stop());

async function bucketPlace(): Promise<ObjectStore> {
  s3 ??= S3Server.start().then(async (server) => ({ server, bucket: await server.makeBucket() }));
  const { server, bucket } = await s3;
  const store = await openS3Store(server.place(bucket));
  onCleanup(() => store.close());
  return store;
}

async function subjectIn(folder: string, options: NewRepositoryOptions, store = folderIn(folder)) {
  const repository = await createRepository(store, options);
  const { api } = await serviceIn(folder);
  const subject = new Subject(api, repository);
  await subject.open();
  return { repository, subject, api };
}

describe.for(FORMS)('$it', ({ it: _it, ...options }) => {
  test.for(PLACES)('in $place a second run takes what has changed to the sector, and no more', async ({ storeIn }) => {
    const folder = tempFolder();
    const { repository, subject, api } = await subjectIn(folder, options, await storeIn(folder));
    await subject.write(3 * MIB, seeded(1).bytes(2 * MIB));
    const first = await subject.run();
    const hashes = [sha256(subject.model)];
    const lengthBefore = (await api.getDisk({ id: 'd' })).chainLength;
    await subject.write(4 * MIB - 512, seeded(2).bytes(1024));
    await subject.trim(3 * MIB, 4096);
    const second = await subject.run();
    hashes.push(sha256(subject.model));
    expect(first.disks[0]).toMatchObject({ kind: 'full', reason: 'the first restore point of the VM' });
    expect(second.disks[0]).toMatchObject({ kind: 'increment', reason: null, dataBytes: 1024 + 4096 });
    expect((await api.getDisk({ id: 'd' })).chainLength).toBe(lengthBefore);
    expect(await Promise.all([first, second].map((point) => contentOf(repository, point)))).toEqual(hashes);
    for (const { id } of [first, second])
      expect(await verifyPoint(repository, { vmId: 'vm-1', pointId: id })).toEqual([]);
  });

  test('laid out as a folder, it opens without a repository', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, options);
    await subject.write(MIB, seeded(3).bytes(MIB));
    await subject.run();
    await subject.write(0, seeded(4).bytes(70_000 - (70_000 % 512)));
    const { id } = await subject.run();
    const [leaf = ''] = await exportPoint(repository, { vmId: 'vm-1', pointId: id }, path.join(folder, 'out'));
    const chain = await openChain(leaf, { policy: { folders: [path.join(folder, 'out')] } });
    expect(await hashDisk(chain)).toBe(sha256(subject.model));
    expect(chain.links.flatMap(({ findings }) => findings)).toEqual([]);
    await chain.close();
  });

  test('random writes, runs, merges and lost snapshots: every restore point that is left is what the disk was', async () => {
    for (let seed = 1; seed <= DEPTH; seed++) {
      const { repository, subject } = await subjectIn(tempFolder(), options);
      const random = seeded(seed);
      const left = new Map<string, { point: Manifest; hash: string }>();
      for (let step = 0; step < 28; step++) {
        const what = random.int(10);
        if (what < 5) {
          const offset = random.int(SIZE / 512) * 512;
          await subject.write(offset, random.bytes(Math.min(SIZE - offset, (1 + random.int(400)) * 512)));
        } else if (what === 5) {
          const offset = random.int(SIZE / 512) * 512;
          await subject.trim(offset, Math.min(SIZE - offset, (1 + random.int(9000)) * 512));
        } else if (what < 9 || left.size < 2) {
          const point = await subject.run({ losesAnchor: random.int(8) === 0 });
          left.set(point.id, { point, hash: sha256(subject.model) });
        } else {
          const ids = [...left.keys()];
          const pointId = ids[random.int(ids.length - 1)] ?? '';
          const point = { vmId: 'vm-1', pointId };
          if (random.int(4) === 0) await makeFull(repository, point);
          else {
            await dropPoint(repository, point);
            left.delete(pointId);
          }
        }
      }
      const points = [];
      for await (const { pointId } of repository.points()) points.push(pointId);
      expect(points).toEqual([...left.keys()]);
      for (const { point, hash } of left.values()) {
        expect(await contentOf(repository, point), `seed ${seed}, ${point.id}`).toBe(hash);
        expect(await verifyPoint(repository, { vmId: 'vm-1', pointId: point.id })).toEqual([]);
      }
      expect((await sweepRepository(repository, { isDryRun: true })).objects).toEqual([]);
    }
  });
});

describe('a repository', () => {
  test('of plain VHDs is one that other programs open where it lies, also after a merge', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, { form: 'vhd' });
    await subject.write(MIB, seeded(3).bytes(MIB));
    const first = await subject.run();
    await subject.write(2 * MIB, seeded(4).bytes(4096));
    const second = await subject.run();
    await subject.write(5 * MIB, seeded(5).bytes(4096));
    const third = await subject.run();
    await dropPoint(repository, { vmId: 'vm-1', pointId: first.id });
    const points = path.join(folder, 'repository/points/vm-1');
    expect(readdirSync(points)).toEqual([second.id, third.id]);
    const leaf = path.join(points, third.id, third.disks[0]?.file ?? '');
    const chain = await openChain(leaf, { policy: { folders: [points] } });
    expect(await hashDisk(chain)).toBe(sha256(subject.model));
    expect(chain.links).toHaveLength(2);
    await chain.close();
  });

  test('stores a changed sector in little more than itself', async () => {
    const { repository, subject } = await subjectIn(tempFolder(), { form: 'container' });
    await subject.write(0, seeded(1).bytes(4 * MIB));
    await subject.run();
    for (let i = 0; i < 16; i++) await subject.write(i * 512 * 1024 + 4096, seeded(i).bytes(65_536));
    const { disks, id } = await subject.run();
    let stored = 0;
    for await (const { storedBytes } of repository.objectsOf({ vmId: 'vm-1', pointId: id })) stored += storedBytes;
    expect(disks[0]?.dataBytes).toBe(MIB);
    expect(stored).toBeLessThan(1.1 * MIB);
  });

  test('has indexes of any length, which are read in few requests', async () => {
    let requests = 0;
    class Counted extends FolderStore {
      override async get(key: string, offset: number, length: number): Promise<Uint8Array> {
        requests++;
        return super.get(key, offset, length);
      }
    }
    const store = new Counted(path.join(tempFolder(), 'repository'));
    const extents: StoredExtent[] = Array.from({ length: 40_000 }, (_, i) => ({
      kind: EXTENT.data,
      offset: i * 4096,
      length: 4096,
      position: 1536 + i * 4096,
      storedAt: i * 4096,
      storedBytes: 4096,
      sha256: new Uint8Array(32).fill(i),
    }));
    const sealing = new Sealing('none', undefined, newSalt(), 'index');
    const spool = new IndexSpool();
    for (const extent of extents) spool.add(extent);
    const object = spool.object(sealing);
    await store.put('an.index', object.parts);
    spool.close();
    const read: StoredExtent[] = [];
    const facts = { sha256: object.sha256(), extents: extents.length };
    for await (const extent of readIndex(store, 'an.index', sealing, facts)) read.push(extent);
    expect(read.length).toBe(extents.length);
    expect(read.every((one, i) => one.offset === i * 4096 && one.sha256[0] === i % 256)).toBe(true);
    expect(requests).toBe(2);
  });

  test('that is encrypted opens with its secret only, and shows nothing without', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, { secret: SECRET });
    await subject.write(0, Buffer.from('The quick brown fox'.padEnd(512)));
    await subject.run();
    const store = repository.store;
    await expect(openRepository(store)).rejects.toMatchObject({ code: 'USAGE' });
    await expect(openRepository(store, Buffer.from('another secret'))).rejects.toMatchObject({ code: 'WRONG_SECRET' });
    expect((await openRepository(store, SECRET)).config.id).toBe(repository.config.id);
    for (const file of filesIn(path.join(folder, 'repository'))) {
      const bytes = readFileSync(file);
      for (const text of ['quick brown', 'desk', 'conectix'])
        expect(bytes.includes(text), `${text} in ${file}`).toBe(false);
    }
  });

  test('begins in an empty place, and says what keeps it from being opened', async () => {
    const folder = tempFolder();
    writeFileSync(path.join(folder, 'letter.txt'), 'mine');
    await expect(createRepository(new FolderStore(folder))).rejects.toMatchObject({ code: 'NOT_EMPTY' });
    await expect(openRepository(new FolderStore(folder))).rejects.toMatchObject({ code: 'NOT_FOUND' });
    const gone = new FolderStore(path.join(folder, 'mnt/share'));
    await expect(createRepository(gone)).rejects.toMatchObject({ code: 'NOT_FOUND', message: /mounted/ });
    const place = new FolderStore(path.join(folder, 'r'));
    await expect(createRepository(place, { form: 'vhd', compression: 'zstd' })).rejects.toMatchObject({
      code: 'USAGE',
    });
    await createRepository(place);
    await expect(createRepository(place)).rejects.toMatchObject({ code: 'EXISTS' });
  });
});

describe('a second repository', () => {
  test.for(FORMS)(
    'of $it gets what is missing, once, also after the first has merged, and stands alone',
    async ({ it: _it, ...options }) => {
      const folder = tempFolder();
      const { repository, subject } = await subjectIn(folder, { form: 'vhd' });
      const second = await createRepository(new FolderStore(path.join(folder, 'second')), options);
      const points: Manifest[] = [];
      const hashes: string[] = [];
      const write = async (seed: number): Promise<void> => {
        await subject.write(seed * MIB, seeded(seed).bytes(70 * 512));
        points.push(await subject.run());
        hashes.push(sha256(subject.model));
      };
      for (const seed of [1, 2]) await write(seed);
      expect((await replicate(repository, second)).copied).toEqual(points.map(({ id }) => id));
      await subject.trim(MIB, 4096);
      await write(3);
      await dropPoint(repository, { vmId: 'vm-1', pointId: points[0]?.id ?? '' });
      await dropPoint(second, { vmId: 'vm-1', pointId: points[1]?.id ?? '' });
      expect(await replicate(repository, second)).toEqual({ copied: [points[1]?.id, points[2]?.id], damaged: [] });
      expect(await replicate(repository, second)).toEqual({ copied: [], damaged: [] });
      rmSync(path.join(folder, 'repository'), { recursive: true });
      expect(await Promise.all(points.map((point) => contentOf(second, point)))).toEqual(hashes);
      for (const { id } of points) expect(await verifyPoint(second, { vmId: 'vm-1', pointId: id })).toEqual([]);
    },
  );

  test('says which it could not read, and gets the others', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, { form: 'container' });
    const second = await createRepository(new FolderStore(path.join(folder, 'second')));
    await subject.write(0, seeded(1).bytes(4096));
    const first = await subject.run();
    const at = path.join(folder, 'repository/points/vm-1', first.id, first.disks[0]?.file ?? '');
    const bytes = readFileSync(at);
    bytes.fill(0, bytes.byteLength / 2);
    writeFileSync(at, bytes);
    const another = await subject.run({ isFull: true });
    expect(await replicate(repository, second)).toMatchObject({
      copied: [another.id],
      damaged: [{ pointId: first.id, message: expect.stringContaining('byte') }],
    });
  });
});

describe('what can go wrong', () => {
  test('every byte that is changed in a repository is found, and no wrong byte is given out', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, { compression: 'zstd' });
    await subject.write(0, seeded(9).bytes(MIB));
    const { id, disks } = await subject.run();
    const point = { vmId: 'vm-1', pointId: id };
    const at = path.join(folder, 'repository/points/vm-1', id);
    const random = seeded(7);
    for (const name of [disks[0]?.file ?? '', disks[0]?.index ?? '']) {
      for (let round = 0; round < 12; round++) {
        const file = path.join(at, name);
        const good = readFileSync(file);
        const bad = Buffer.from(good);
        const place = random.int(bad.byteLength);
        bad[place] = (bad[place] ?? 0) ^ (1 << random.int(8));
        writeFileSync(file, bad);
        expect(await verifyPoint(repository, point), `${name}, byte ${place}`).not.toEqual([]);
        const read = async (): Promise<string> => await hashDisk(await openPointDisk(repository, point, 'd'));
        await read().then(
          (hash) => expect(hash).toBe(sha256(subject.model)), // A byte of the VHD's structure: reading needs none of it.
          (error: unknown) => expect(error).toMatchObject({ code: 'DAMAGED' }),
        );
        writeFileSync(file, good);
      }
    }
    expect(await verifyPoint(repository, point)).toEqual([]);
  });

  test('a lost base is said, and the next run takes all by itself', async () => {
    const { repository, subject } = await subjectIn(tempFolder(), { form: 'vhd' });
    await subject.write(0, seeded(1).bytes(4096));
    const first = await subject.run();
    await subject.write(0, seeded(2).bytes(512));
    const second = await subject.run();
    await repository.removePoint({ vmId: 'vm-1', pointId: first.id });
    const damages = await verifyPoint(repository, { vmId: 'vm-1', pointId: second.id });
    expect(damages.map(({ message }) => message)).toEqual([expect.stringContaining('manifest.json')]);
    const third = await subject.run();
    expect(third.disks[0]).toMatchObject({ kind: 'full', reason: expect.stringContaining('is gone') });
    expect(await contentOf(repository, third)).toBe(sha256(subject.model));
  });

  test('a run that fails, and a run that is stopped, leave nothing that looks like a restore point', async () => {
    const folder = tempFolder();
    const { repository, subject, api } = await subjectIn(folder, { form: 'container' });
    await subject.write(0, seeded(1).bytes(4 * MIB));
    const task = await done(api, api.snapshotDisks({ ids: ['d'], name: 's' }));
    const snapshotId = snapshotOf(task);
    const { uri } = await api.openSnapshot({ id: 'd', snapshotId });
    const stop = new AbortController();
    const taking = takePoint(
      repository,
      {
        vm: { id: 'vm-1', name: 'desk', definition: null },
        createdAt: new Date(),
        consistency: { level: 'crash', reason: '' },
        madeBy: { gateway: 'g', version: '0', job: null },
        keptUntil: null,
        disks: [{ diskId: 'd', name: 'd', deviceId: 'd', bus: 'b', snapshotId, uri }],
      },
      { signal: stop.signal, onProgress: () => stop.abort() },
    );
    await expect(taking).rejects.toMatchObject({ code: 'CANCELLED' });
    const left = filesIn(path.join(folder, 'repository')).map((file) => path.basename(file));
    expect(left).toEqual(['oriel-repository.json']);
  });

  test('a restore point that has to be kept is kept, and so is what it stands on', async () => {
    const { repository, subject } = await subjectIn(tempFolder(), { form: 'vhd' });
    await subject.write(0, seeded(1).bytes(4096));
    const first = await subject.run();
    await subject.write(0, seeded(2).bytes(512));
    const second = await subject.run();
    const keptUntil = new Date(Date.now() + 60_000).toISOString();
    await repository.putManifest({ ...second, keptUntil }, { isReplacing: true });
    for (const { id } of [first, second])
      await expect(dropPoint(repository, { vmId: 'vm-1', pointId: id })).rejects.toMatchObject({ code: 'SEALED' });
    expect(await contentOf(repository, second)).toBe(sha256(subject.model));
  });

  test('rubbish that the store keeps by a lock does not stop a sweep: the rest goes, and it goes later', async () => {
    const folder = path.join(tempFolder(), 'repository');
    let isLocked = true;
    class Locked extends FolderStore {
      override async remove(key: string): Promise<void> {
        if (isLocked && key.endsWith('.box')) throw new VhdError('SEALED', `${key} has to be kept`);
        await super.remove(key);
      }
    }
    const store = new Locked(folder);
    const repository = await createRepository(store, { form: 'container' });
    const [box, index] = ['points/vm-1/p/d.box', 'points/vm-1/p/d.index'];
    for (const key of [box, index]) {
      await store.put(key, [{ offset: 0, bytes: Buffer.from('left by a kill') }]);
      utimesSync(path.join(folder, key), 1, 1);
    }
    expect((await sweepRepository(repository)).objects).toEqual([index]);
    isLocked = false;
    expect((await sweepRepository(repository)).objects).toEqual([box]);
  });

  test('restores to a raw file with holes', async () => {
    const folder = tempFolder();
    const { repository, subject } = await subjectIn(folder, { compression: 'zstd' });
    await subject.write(8 * MIB, seeded(1).bytes(65_536));
    const { id } = await subject.run();
    const disk = await openPointDisk(repository, { vmId: 'vm-1', pointId: id }, 'd');
    const target = path.join(folder, 'out.raw');
    await convertDisk(disk, target, { to: 'raw' });
    expect(sha256(readFileSync(target))).toBe(sha256(subject.model));
    expect(statSync(target).blocks * 512).toBeLessThan(MIB);
    expect(existsSync(`${target}.journal`)).toBe(false);
  });
});

function filesIn(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) =>
    entry.isDirectory() ? filesIn(path.join(folder, entry.name)) : [path.join(folder, entry.name)],
  );
}
