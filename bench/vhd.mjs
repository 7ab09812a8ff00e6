// Whole-image operations against qemu-img and cp, interleaved, on hot files: what `oriel vhd` promises in speed.
// Ours runs in this process, the peers as commands. Files lie in memory where there is room, so that neither side waits
// for a disk; ours still syncs, the peers do not.
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  compactImage,
  convertDisk,
  createChild,
  createImage,
  imageInfo,
  mapWindows,
  mergeImage,
  openChain,
  openSource,
} from '@oriel/vhd';
import { command, faceOff, fasterRow, makeRaw, median, seeded, timed, timesRow } from './face-off.mjs';

export const title = 'VHD operations against qemu-img and cp';
export const packages = ['qemu-utils'];

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const BLOCK = 2 * MIB;

/** A place in memory with room for the files, else the folder for temporary files. */
function workFolder(log) {
  const needed = 9 * GIB;
  const shm = fs.existsSync('/dev/shm') ? fs.statfsSync('/dev/shm') : undefined;
  const free = shm === undefined ? 0 : shm.bavail * shm.bsize;
  const available = Number(/MemAvailable:\s+(\d+)/.exec(fs.readFileSync('/proc/meminfo', 'utf8'))?.[1] ?? 0) * 1024;
  const inMemory = needed < free && needed + 2 * GIB < available;
  const folder = fs.mkdtempSync(
    join(process.env.ORIEL_BENCH_DIR ?? (inMemory ? '/dev/shm' : tmpdir()), 'oriel-bench-'),
  );
  log(`files in ${folder}`);
  return folder;
}

function limitRow(measure, value, unit, most) {
  return { measure, value, unit, target: `<= ${most} ${unit}`, met: value <= most };
}

async function convertRows(folder, rounds) {
  const at = (name) => join(folder, name);
  makeRaw(at('disk.raw'), 8 * GIB, 2 * GIB);
  const convert = async (from, to, format) => {
    fs.rmSync(to, { force: true });
    return timed(async () => {
      const disk = await openSource(from);
      await convertDisk(disk, to, { to: format });
      await disk.close();
    });
  };
  const qemu = async (args, to) => {
    fs.rmSync(to, { force: true });
    return timed(() => command('qemu-img', ['convert', ...args, to]));
  };
  const up = await faceOff(
    rounds,
    () => convert(at('disk.raw'), at('ours.vhd'), 'dynamic'),
    () => qemu(['-f', 'raw', '-O', 'vpc', '-o', 'force_size=on', at('disk.raw')], at('peer.vhd')),
  );
  fs.rmSync(at('disk.raw'));
  const down = await faceOff(
    rounds,
    () => convert(at('ours.vhd'), at('ours.raw'), 'raw'),
    () => qemu(['-f', 'vpc', '-O', 'raw', at('peer.vhd')], at('peer.raw')),
  );
  execFileSync('cmp', [at('ours.raw'), at('peer.raw')]);
  const floor = [];
  for (let i = 0; i < rounds; i++) {
    fs.rmSync(at('peer.raw'));
    floor.push(await timed(() => command('dd', ['if=/dev/zero', `of=${at('peer.raw')}`, 'bs=512K', 'count=4096'])));
  }
  for (const name of ['ours.raw', 'peer.raw', 'peer.vhd', 'ours.vhd']) fs.rmSync(at(name));
  return [
    fasterRow('convert raw to dynamic, 2 GiB in 8 GiB', up, 'qemu-img', 1.5),
    fasterRow('convert dynamic to raw, 2 GiB in 8 GiB', down, 'qemu-img', 1.2),
    { measure: 'the least: dd writes 2 GiB to a new file and reads none', value: median(floor) / 1000, unit: 's' },
  ];
}

async function fill(file, blocks, step) {
  const disk = await openChain(file, { isReadOnly: false });
  const bytes = randomBytes(BLOCK);
  for (let i = 0; i < blocks; i++) await disk.write(bytes, i * step * BLOCK);
  await disk.close();
}

async function mergeRow(folder, rounds) {
  const at = (name) => join(folder, name);
  fs.mkdirSync(at('kept'));
  await createImage(at('kept/base.vhd'), { sizeBytes: 8 * GIB });
  await createChild(at('kept/child.vhd'), { parent: at('kept/base.vhd') });
  await fill(at('kept/child.vhd'), 256, 5);
  const merge = async () => {
    fs.rmSync(at('work'), { recursive: true, force: true });
    fs.mkdirSync(at('work'));
    command('cp', ['--sparse=always', at('kept/base.vhd'), at('work/base.vhd')]);
    command('cp', ['--sparse=always', at('kept/child.vhd'), at('work/child.vhd')]);
    return timed(() => mergeImage(at('work/child.vhd')));
  };
  const copy = async () => {
    fs.rmSync(at('copy.vhd'), { force: true });
    return timed(() => command('cp', [at('kept/child.vhd'), at('copy.vhd')]));
  };
  const row = timesRow('merge of 512 MiB into the parent', await faceOff(rounds, merge, copy), 'cp of the child', 1.3);
  for (const name of ['kept', 'work', 'copy.vhd']) fs.rmSync(at(name), { recursive: true, force: true });
  return row;
}

async function compactRow(folder, rounds) {
  const at = (name) => join(folder, name);
  await createImage(at('full.vhd'), { sizeBytes: 8 * GIB });
  await fill(at('full.vhd'), 512, 3);
  command('cp', [at('full.vhd'), at('compact.vhd')]);
  const compact = () => timed(() => compactImage(at('compact.vhd')));
  const copy = async () => {
    fs.rmSync(at('copy.vhd'), { force: true });
    return timed(() => command('cp', [at('full.vhd'), at('copy.vhd')]));
  };
  const row = timesRow('compact of 1 GiB', await faceOff(rounds, compact, copy), 'cp', 1.5);
  for (const name of ['full.vhd', 'compact.vhd', 'copy.vhd']) fs.rmSync(at(name));
  return row;
}

async function largeRows(folder, rounds) {
  const file = join(folder, 'large.vhd');
  await createImage(file, { sizeBytes: 2040 * GIB });
  const disk = await openChain(file, { isReadOnly: false });
  for (let i = 0; i < 100_000; i++) await disk.write(ONE_SECTOR, i * 10 * BLOCK);
  await disk.close();
  const times = { info: [], map: [] };
  let runs = 0;
  for (let i = 0; i < rounds + 3; i++) {
    const info = await timed(() => imageInfo(file));
    const map = await timed(async () => {
      const chain = await openChain(file);
      runs = 0;
      for await (const extents of mapWindows(chain)) runs += extents.length;
      await chain.close();
    });
    if (i === 0) continue; // As in `faceOff`.
    times.info.push(info);
    times.map.push(map);
  }
  if (runs !== 199_999 && runs !== 200_000) throw new Error(`the map has ${runs} runs`);
  const memory = peakMemory(file, join(folder, 'flat.vhd'));
  fs.rmSync(file);
  return [
    limitRow('info of 2040 GiB with 100,000 blocks', median(times.info), 'ms', 50),
    limitRow('map of 2040 GiB with 100,000 blocks', median(times.map), 'ms', 50),
    ...memory,
  ];
}

const ONE_SECTOR = Buffer.alloc(512, 1);

/** Peak memory of a process of its own: a map of the largest image, and conversions with the most memory each. */
function peakMemory(large, target) {
  const measure = (body) => {
    const code = `const v = await import(${JSON.stringify(import.meta.resolve('@oriel/vhd'))}); ${body}; console.log(process.resourceUsage().maxRSS / 1024);`;
    return Number(execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' }).trim());
  };
  const small = `${target}.small.vhd`;
  const body = (source, to, extra = '') =>
    `const d = await v.openSource(${JSON.stringify(source)}); await v.convertDisk(d, ${JSON.stringify(target)}, { to: '${to}', isReplacing: true ${extra} }); await d.close()`;
  const spread = `await v.createImage(${JSON.stringify(small)}, { sizeBytes: 2040 * 2 ** 30, blockBytes: 512 * 1024, isReplacing: true }); const w = await v.openChain(${JSON.stringify(small)}, { isReadOnly: false }); for (let i = 0; i < 2000; i++) await w.write(Buffer.alloc(512, 1), i * 2 ** 30); await w.close()`;
  const map = `const d = await v.openChain(${JSON.stringify(large)}); let n = 0; for await (const e of v.mapWindows(d)) n += e.length; await d.close()`;
  const rows = [
    limitRow('memory: map of 2040 GiB', measure(map), 'MiB', 150),
    limitRow(
      'memory: convert 2040 GiB, 4 million table entries',
      measure(`${spread}; ${body(small, 'dynamic', ', blockBytes: 512 * 1024')}`),
      'MiB',
      150,
    ),
  ];
  fs.rmSync(target, { force: true });
  fs.rmSync(small, { force: true });
  return rows;
}

async function chainRow(folder, rounds) {
  const links = 64;
  const blocks = 256;
  const leaves = [];
  const bytes = randomBytes(64 * 1024);
  for (const depth of [1, links]) {
    const random = seeded(7);
    let file = join(folder, `chain-${depth}-0.vhd`);
    await createImage(file, { sizeBytes: blocks * BLOCK });
    for (let link = 0; link < links; link++) {
      if (0 < link && 1 < depth) {
        const child = join(folder, `chain-${depth}-${link}.vhd`);
        await createChild(child, { parent: file });
        file = child;
      }
      const disk = await openChain(file, { isReadOnly: false });
      for (let i = 0; i < 60; i++) await disk.write(bytes, random((blocks * BLOCK) / bytes.length) * bytes.length);
      await disk.close();
    }
    leaves.push(await openChain(file));
  }
  const [single, chain] = leaves;
  const read = async (disk) => {
    const random = seeded(99);
    const into = Buffer.alloc(4096);
    const sectors = (blocks * BLOCK) / 4096;
    const ms = await timed(async () => {
      for (let i = 0; i < 200_000; i++) {
        const wait = disk.read(into, random(sectors) * 4096);
        if (wait !== undefined) await wait;
      }
    });
    return ms;
  };
  const times = await faceOff(
    rounds + 2,
    () => read(chain),
    () => read(single),
  );
  for (const disk of leaves) await disk.close();
  const rate = (ms) => 200 / (ms / 1000);
  const [value, peerValue] = [rate(times.ours), rate(times.peer)];
  const ratio = value / peerValue;
  return {
    measure: 'random 4 KiB reads, chain of 64',
    value,
    unit: 'k/s',
    peer: 'chain of 1',
    peerValue,
    ratio,
    target: '>= 0.9',
    met: 0.9 <= ratio,
  };
}

async function cloneRows(folder) {
  const clone = async (place, label) => {
    const template = join(place, 'template.vhd');
    await createImage(template, { sizeBytes: 2040 * GIB });
    const times = [];
    for (let i = 0; i < 21; i++) {
      times.push(await timed(() => createChild(join(place, `clone-${i}.vhd`), { parent: template })));
      fs.rmSync(join(place, `clone-${i}.vhd`));
    }
    fs.rmSync(template, { force: true });
    return limitRow(`clone of a 2040 GiB template, ${label}`, median(times), 'ms', 10);
  };
  const disk = fs.mkdtempSync(join(tmpdir(), 'oriel-bench-'));
  try {
    return [await clone(folder, 'in memory'), await clone(disk, 'synced to the disk of this machine')];
  } finally {
    fs.rmSync(disk, { recursive: true, force: true });
  }
}

export async function run({ rounds, log }) {
  const folder = workFolder(log);
  const parts = {
    clone: () => cloneRows(folder),
    large: () => largeRows(folder, rounds),
    chain: () => chainRow(folder, rounds),
    merge: () => mergeRow(folder, rounds),
    compact: () => compactRow(folder, rounds),
    convert: () => convertRows(folder, rounds),
  };
  const only = process.env.ORIEL_BENCH_ONLY?.split(',');
  const rows = [];
  try {
    for (const [name, part] of Object.entries(parts)) {
      if (only?.includes(name) === false) continue;
      log(name);
      rows.push(await part());
    }
    return rows.flat();
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
