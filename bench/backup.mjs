// Backups beside restic and borg, on the same disk in the same run: 4 GiB with 1 GiB of the files of this machine in 64
// stretches, then 328 scattered writes of 64 KiB. Ours as the gateway does it: a snapshot in the disk service, a worker
// process that copies what has changed, the last snapshot folded away. The peers as commands on a raw file that holds the
// same. Interleaved, files in memory where there is room.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { connectNbd, startDiskService } from '@oriel/vhd';

export const title = 'Backups beside restic and borg';
export const packages = ['restic', 'borgbackup', 'time'];

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const SIZE = 4 * GIB;
const DATA = GIB;
const STRETCHES = 64;
const WRITES = 328;
const WRITE_BYTES = 64 * 1024;
const WORKER = fileURLToPath(new URL('../gateway/dist/src/protection/work/worker.js', import.meta.url));
const BIN = fileURLToPath(new URL('../gateway/bin/oriel.mjs', import.meta.url));

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

function seeded(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

async function timed(work) {
  const start = performance.now();
  const result = await work();
  return { ms: performance.now() - start, result };
}

function command(env, name, ...args) {
  const { status, stderr } = spawnSync(name, args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, ...env },
  });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`);
}

const storedIn = (folder) => Number(spawnSync('du', ['-sB1', folder]).stdout.toString().split('\t')[0]);

/** Does one order in a worker; gives its result and the most memory that it held. */
async function work(order) {
  const child = spawn(
    '/usr/bin/time',
    ['-f', '%M', process.execPath, '--max-old-space-size=256', '--expose-gc', WORKER],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
    },
  );
  child.stdin.end(JSON.stringify({ secret: null, ...order }));
  const [out, err] = await Promise.all(
    [child.stdout, child.stderr].map(async (stream) => {
      const chunks = [];
      for await (const chunk of stream) chunks.push(chunk);
      return Buffer.concat(chunks).toString();
    }),
  );
  const said = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
    .find((line) => !('progress' in line));
  if (said === undefined || 'error' in said) throw new Error(said?.error.message ?? err);
  return { result: said.result, memoryBytes: Number(err.trim().split('\n').at(-1)) * 1024 };
}

/** Content of files of this machine: what compresses as people's disks do. */
function* realData(bytes) {
  let left = bytes;
  const queue = ['/usr/lib', '/usr/share', '/usr/bin'];
  while (0 < left && 0 < queue.length) {
    const at = queue.pop();
    for (const entry of fs.readdirSync(at, { withFileTypes: true })) {
      const name = path.join(at, entry.name);
      if (entry.isDirectory()) queue.push(name);
      else if (entry.isFile() && 0 < left) {
        let content;
        try {
          content = fs.readFileSync(name);
        } catch {
          continue;
        }
        const part = content.subarray(0, left);
        left -= part.byteLength;
        yield part;
      }
    }
  }
  for (; 0 < left; left -= MIB) yield Buffer.alloc(Math.min(MIB, left), 'not enough files here ');
}

/** The raw file: the data in stretches that begin on 4 KiB, and on nothing larger. */
function makeRaw(file) {
  const fd = fs.openSync(file, 'w');
  fs.ftruncateSync(fd, SIZE);
  const stretch = DATA / STRETCHES;
  const placeOf = (at) =>
    Math.floor(at / stretch) * (SIZE / STRETCHES) + 4096 * (3 + Math.floor(at / stretch)) + (at % stretch);
  let at = 0;
  for (const content of realData(DATA)) {
    for (let done = 0; done < content.byteLength; ) {
      const length = Math.min(content.byteLength - done, stretch - (at % stretch));
      fs.writeSync(fd, content, done, length, placeOf(at));
      done += length;
      at += length;
    }
  }
  fs.closeSync(fd);
}

/** Places of the scattered writes of a round: multiples of 512 within the data. */
function placesOf(round) {
  const random = seeded(1000 + round);
  return Array.from({ length: WRITES }, () => {
    const stretch = random(STRETCHES);
    return stretch * (SIZE / STRETCHES) + 4096 * (3 + stretch) + random((DATA / STRETCHES - WRITE_BYTES) / 512) * 512;
  });
}

export async function run({ rounds, log }) {
  const shm = fs.existsSync('/dev/shm') ? fs.statfsSync('/dev/shm') : undefined;
  const isRoomy = shm !== undefined && 14 * GIB < shm.bavail * shm.bsize;
  const folder = fs.mkdtempSync(
    path.join(process.env.ORIEL_BENCH_DIR ?? (isRoomy ? '/dev/shm' : tmpdir()), 'oriel-bb-'),
  );
  log(`files in ${folder}`);
  const at = (name) => path.join(folder, name);
  const service = await startDiskService({
    command: [process.execPath, BIN],
    storage: at('storage'),
    socketPath: at('s.sock'),
    runFolder: at('run'),
    logFile: at('log'),
  });
  const seen = {
    oursFull: [],
    resticFull: [],
    ours: [],
    restic: [],
    borg: [],
    restore: [],
    resticRestore: [],
    memory: [],
  };
  const sizes = {};
  try {
    makeRaw(at('image.raw'));
    log('filling the disk');
    await service.createDisk({ id: 'd', name: 'System', source: { from: 'blank', sizeBytes: SIZE } });
    const client = await connectNbd((await service.openDisk({ id: 'd' })).uri);
    const fd = fs.openSync(at('image.raw'), 'r');
    const bytes = Buffer.alloc(MIB);
    for (let offset = 0; offset < SIZE; offset += MIB) {
      fs.readSync(fd, bytes, 0, MIB, offset);
      if (bytes.some((byte) => byte !== 0)) await client.write(bytes, offset);
    }
    fs.closeSync(fd);
    await client.flush();
    const anchors = new Map();
    const take = async (repository) => {
      const place = { kind: 'folder', path: at(repository) };
      const { result } = await service.waitForTask((await service.snapshotDisks({ ids: ['d'], name: 'run' })).id);
      const snapshotId = result.snapshots.d;
      const { uri } = await service.openSnapshot({ id: 'd', snapshotId });
      const disk = { diskId: 'd', name: 'System', deviceId: 'd', bus: 'b', snapshotId, uri };
      const done = await work({
        do: 'take',
        place,
        asks: {
          point: {
            vm: { id: 'vm', name: 'vm', definition: null },
            createdAt: new Date().toISOString(),
            keptUntil: null,
            consistency: { level: 'crash', reason: '' },
            madeBy: { gateway: 'bench', version: '0', job: null },
            disks: [disk],
          },
        },
      });
      await service.closeSnapshot({ id: 'd', snapshotId });
      const anchor = anchors.get(repository);
      if (anchor !== undefined)
        await service.waitForTask((await service.removeSnapshot({ id: 'd', snapshotId: anchor })).id);
      anchors.set(repository, snapshotId);
      seen.memory.push(done.memoryBytes);
      return done.result;
    };
    const restic = {
      RESTIC_PASSWORD: 'x',
      RESTIC_REPOSITORY: at('restic'),
      RESTIC_CACHE_DIR: at('restic-cache'),
      RESTIC_PROGRESS_FPS: '0.1',
    };
    const borg = {
      BORG_REPO: at('borg'),
      BORG_UNKNOWN_UNENCRYPTED_REPO_ACCESS_IS_OK: 'yes',
      BORG_BASE_DIR: at('borg-base'),
    };
    for (let round = 0; round < rounds; round++) {
      for (const name of ['ours', 'plain', 'restic', 'borg']) fs.rmSync(at(name), { recursive: true, force: true });
      for (const [name, anchor] of anchors) {
        await service.waitForTask((await service.removeSnapshot({ id: 'd', snapshotId: anchor })).id);
        anchors.delete(name);
      }
      await work({ do: 'create', place: { kind: 'folder', path: at('ours') }, asks: { compression: 'zstd' } });
      await work({
        do: 'create',
        place: { kind: 'folder', path: at('plain') },
        asks: { form: 'container', compression: 'none' },
      });
      command(restic, 'restic', 'init');
      command(borg, 'borg', 'init', '-e', 'none');
      log(`round ${round + 1}: full runs`);
      seen.oursFull.push((await timed(() => take('ours'))).ms);
      seen.resticFull.push((await timed(() => command(restic, 'restic', 'backup', at('image.raw')))).ms);
      sizes.oursFull = storedIn(at('ours'));
      sizes.resticFull = storedIn(at('restic'));
      await take('plain');
      command(borg, 'borg', 'create', '-C', 'zstd,3', '--chunker-params', 'fixed,65536', '::first', at('image.raw'));

      const out = fs.openSync(at('image.raw'), 'r+');
      const random = seeded(round);
      for (const offset of placesOf(round)) {
        const change = Buffer.from(Uint8Array.from({ length: WRITE_BYTES }, () => random(256)));
        fs.writeSync(out, change, 0, WRITE_BYTES, offset);
        await client.write(change, offset);
      }
      fs.closeSync(out);
      await client.flush();
      log(`round ${round + 1}: second runs`);
      const plainBefore = storedIn(at('plain'));
      const second = await timed(() => take('ours'));
      seen.ours.push(second.ms);
      seen.restic.push((await timed(() => command(restic, 'restic', 'backup', at('image.raw')))).ms);
      seen.borg.push(
        (
          await timed(() =>
            command(
              borg,
              'borg',
              'create',
              '-C',
              'zstd,3',
              '--chunker-params',
              'fixed,65536',
              '::second',
              at('image.raw'),
            ),
          )
        ).ms,
      );
      const plain = await take('plain');
      sizes.changed = plain.disks[0].dataBytes;
      sizes.plain = storedIn(at('plain')) - plainBefore;

      log(`round ${round + 1}: restores`);
      const pointId = second.result.id;
      seen.restore.push(
        (
          await timed(async () => {
            const script = `import { openRepository, openPointDisk, FolderStore } from '@oriel/vhd/restore-points';
              import { convertDisk } from '@oriel/vhd';
              const repository = await openRepository(new FolderStore(${JSON.stringify(at('ours'))}));
              const disk = await openPointDisk(repository, { vmId: 'vm', pointId: ${JSON.stringify(pointId)} }, 'd');
              await convertDisk(disk, ${JSON.stringify(at('restored.raw'))}, { to: 'raw' });`;
            command({}, process.execPath, '--input-type=module', '-e', script);
          })
        ).ms,
      );
      command({}, 'cmp', at('image.raw'), at('restored.raw'));
      sizes.restored = storedIn(at('restored.raw'));
      fs.rmSync(at('restored.raw'));
      seen.resticRestore.push(
        (await timed(() => command(restic, 'restic', 'restore', 'latest', '--target', at('restic-out')))).ms,
      );
      fs.rmSync(at('restic-out'), { recursive: true });
    }
    await client.close();
  } finally {
    await service.stop().catch(() => undefined);
    service.disconnect();
    fs.rmSync(folder, { recursive: true, force: true });
  }
  return rowsOf(seen, sizes);
}

function rowsOf(seen, sizes) {
  const seconds = (key) => median(seen[key]) / 1000;
  const faster = (measure, ours, peer, theirs, target) => {
    const ratio = seconds(theirs) / seconds(ours);
    return {
      measure,
      value: seconds(ours),
      unit: 's',
      peer,
      peerValue: seconds(theirs),
      ratio,
      target: `>= ${target}`,
      met: target <= ratio,
    };
  };
  const memory = Math.max(...seen.memory) / MIB;
  const stored = sizes.plain / sizes.changed;
  const full = sizes.oursFull / sizes.resticFull;
  return [
    faster('second run, wall', 'ours', 'restic', 'restic', 10),
    faster('second run, wall', 'ours', 'borg, fixed 64 KiB', 'borg', 4),
    {
      measure: 'second run, stored, not compressed',
      value: sizes.plain / MIB,
      unit: 'MiB',
      peer: 'changed bytes',
      peerValue: sizes.changed / MIB,
      ratio: stored,
      target: '<= 1.1',
      met: stored <= 1.1,
    },
    faster('full run with zstd, wall', 'oursFull', 'restic', 'resticFull', 1.5),
    {
      measure: 'full run with zstd, stored',
      value: sizes.oursFull / MIB,
      unit: 'MiB',
      peer: 'restic',
      peerValue: sizes.resticFull / MIB,
      ratio: full,
      target: '<= 1.1',
      met: full <= 1.1,
    },
    faster('restore to a raw file', 'restore', 'restic', 'resticRestore', 2),
    { measure: 'restored file on storage', value: sizes.restored / MIB, unit: 'MiB' },
    { measure: 'most memory of a worker', value: memory, unit: 'MiB', target: '<= 100 MiB', met: memory <= 100 },
  ];
}
