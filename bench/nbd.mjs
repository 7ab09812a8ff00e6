// `npm run bench -- nbd`: the disk service against nbdkit and qemu-nbd, all in one run, on hot 64 MiB sets.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connectNbd } from '@oriel/vhd';
import { allocate, fill, fio, MIB, ourDisk, ourService, peers, residentMiB } from './nbd-servers.mjs';

export const title = 'the disk service over NBD';
export const packages = ['nbdkit', 'fio', 'libnbd-bin'];

const SECONDS = Number(process.env.ORIEL_BENCH_SECONDS ?? 2);
const SNAPSHOTS = 200;
/** Parts to run, for whoever works on one: `loads,allocating,four,memory,snapshots`. */
const ONLY = (process.env.ORIEL_BENCH_ONLY ?? '').split(',').filter((part) => part !== '');

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];

/** What fio does, whom it is compared with, and the target. */
const LOADS = [
  {
    measure: '4 KiB random read, QD32',
    rw: 'randread',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 1, qemuVpc: 3 },
  },
  {
    measure: '4 KiB random write, QD32',
    rw: 'randwrite',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 0.8, qemuVpc: 20 },
  },
  { measure: '4 KiB random read, QD1', rw: 'randread', blockBytes: 4096, depth: 1, against: { qemuRaw: 1 } },
  { measure: '4 KiB random write, QD1', rw: 'randwrite', blockBytes: 4096, depth: 1, against: { qemuRaw: 1 } },
  { measure: '1 MiB sequential read, QD8', rw: 'read', blockBytes: MIB, depth: 8, against: { nbdkit: 0.9 } },
  { measure: '1 MiB sequential write, QD8', rw: 'write', blockBytes: MIB, depth: 8, against: { nbdkit: 0.9 } },
];
const NAMES = { nbdkit: 'nbdkit file', qemuRaw: 'qemu-nbd raw', qemuVpc: 'qemu-nbd vpc' };

export async function run({ rounds, log }) {
  const folder = mkdtempSync('/tmp/oriel-bench-');
  const servers = await peers(folder);
  const service = await ourService(join(folder, 'ours'));
  try {
    const disks = [];
    for (const name of ['one', 'two', 'three', 'four']) {
      const disk = await ourDisk(service.client, servers.raw, name);
      fill(disk.uri, servers.raw);
      disks.push(disk);
    }
    const [disk] = disks;
    const parts = {
      loads: () => loads(disk, servers, rounds, log),
      allocating: () => allocating(service.client, folder, rounds, log),
      four: () => four(disks, servers, rounds, log),
      memory: () => memory(service, disks, log),
      snapshots: () => snapshots(service.client, disks, log),
    };
    const rows = [];
    for (const [name, part] of Object.entries(parts))
      if (ONLY.length === 0 || ONLY.includes(name)) rows.push(...(await part()));
    return rows;
  } finally {
    await service.client.stop().catch(() => undefined);
    service.client.disconnect();
    for (const peer of [servers.nbdkit, servers.qemuRaw, servers.qemuVpc]) peer.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loads(disk, servers, rounds, log) {
  const rows = [];
  for (const load of LOADS) {
    const names = Object.keys(load.against);
    const got = Object.fromEntries(['ours', ...names].map((name) => [name, []]));
    const isLarge = load.blockBytes === MIB;
    // Once unmeasured: our code is compiled as it runs, and the peers' caches fill too.
    for (const name of ['ours', ...names])
      await fio(name === 'ours' ? disk.uri : servers[name].uri, { ...load, seconds: 1 });
    for (let round = 0; round < rounds; round++) {
      for (const name of ['ours', ...names]) {
        const { uri } = name === 'ours' ? disk : servers[name];
        const { iops, mibPerSecond } = await fio(uri, { ...load, seconds: SECONDS });
        got[name].push(isLarge ? mibPerSecond : iops);
      }
    }
    const value = median(got.ours);
    for (const name of names) {
      const peerValue = median(got[name]);
      const ratio = median(got.ours.map((ours, round) => ours / got[name][round]));
      const least = load.against[name];
      rows.push({
        measure: load.measure,
        value,
        unit: isLarge ? 'MiB/s' : 'IOPS',
        peer: NAMES[name],
        peerValue,
        ratio,
        target: `>= ${least}`,
        met: least <= ratio,
      });
      log(`${load.measure}: ${Math.round(value)}, ${NAMES[name]} ${Math.round(peerValue)}, ratio ${ratio.toFixed(2)}`);
    }
  }
  return rows;
}

/** 512 writes of 4 KiB, each in a block of its own. */
async function allocating(client, folder, rounds, log) {
  const ours = [];
  const theirs = [];
  for (let round = 0; round < rounds; round++) {
    const disk = await client.createDisk({ name: `blank${round}`, source: { from: 'blank', sizeBytes: 1024 * MIB } });
    ours.push(allocate('raw', (await client.openDisk({ id: disk.id })).uri));
    await client.closeDisk({ id: disk.id });
    await client.removeDisk({ id: disk.id });
    const qcow2 = join(folder, `blank${round}.qcow2`);
    execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', qcow2, '1G']);
    theirs.push(allocate('qcow2', qcow2));
  }
  const ratio = median(theirs.map((seconds, round) => seconds / ours[round]));
  log(`allocating: ours ${median(ours).toFixed(3)} s, qcow2 ${median(theirs).toFixed(3)} s`);
  return [
    {
      measure: '512 allocating 4 KiB writes, one a block',
      value: median(ours),
      unit: 's',
      peer: 'qemu-img bench on qcow2',
      peerValue: median(theirs),
      ratio,
      target: '>= 2',
      met: 2 <= ratio,
    },
  ];
}

/** Four disks at once against one, and how the same load scales on nbdkit with four clients. */
async function four(disks, servers, rounds, log) {
  const rows = [];
  const cases = [
    { name: '4 KiB random read, QD1', rw: 'randread', blockBytes: 4096, depth: 1, target: 3 },
    { name: '4 KiB random read, QD32', rw: 'randread', blockBytes: 4096, depth: 32, target: 3 },
  ];
  for (const { name, target, ...load } of cases) {
    const one = [];
    const all = [];
    const kitOne = [];
    const kitAll = [];
    const sum = async (uris) => {
      const got = await Promise.all(uris.map((uri) => fio(uri, { ...load, seconds: SECONDS })));
      return got.reduce((total, { iops }) => total + iops, 0);
    };
    for (let round = 0; round < rounds; round++) {
      one.push(await sum([disks[0].uri]));
      all.push(await sum(disks.map(({ uri }) => uri)));
      kitOne.push(await sum([servers.nbdkit.uri]));
      kitAll.push(await sum(disks.map(() => servers.nbdkit.uri)));
    }
    const ratio = median(all.map((iops, round) => iops / one[round]));
    const kitRatio = median(kitAll.map((iops, round) => iops / kitOne[round]));
    rows.push({
      measure: `four disks at once, ${name}`,
      value: median(all),
      unit: 'IOPS',
      peer: 'one disk',
      peerValue: median(one),
      ratio,
      target: `>= ${target}`,
      met: target <= ratio,
    });
    rows.push({
      measure: `nbdkit, four clients, ${name}`,
      value: median(kitAll),
      unit: 'IOPS',
      peer: 'one client',
      peerValue: median(kitOne),
      ratio: kitRatio,
    });
    log(`four disks, ${name}: ratio ${ratio.toFixed(2)}; nbdkit ${kitRatio.toFixed(2)}`);
  }
  return rows;
}

async function memory({ client, pid }, disks, log) {
  const rss = residentMiB(pid);
  const limit = 80 + disks.length;
  log(`memory with ${disks.length} disks after the load: ${rss.toFixed(0)} MiB`);
  const health = await client.health();
  return [
    {
      measure: `memory, ${health.openDisks} disks open, after the load`,
      value: rss,
      unit: 'MiB RSS',
      target: `<= ${limit} MiB`,
      met: rss <= limit,
    },
  ];
}

/** The longest a write takes around each of 200 live snapshots, at QD32, and as long without any. */
async function snapshots(client, disks, log) {
  const stalls = [];
  const calm = [];
  const durations = [];
  for (const disk of disks) {
    const { uri } = await client.openDisk({ id: disk.id });
    const load = await startLoad(uri, 32);
    await load.ran(500);
    for (let i = 0; i < SNAPSHOTS / disks.length; i++) {
      const quiet = load.watch();
      await load.ran(400);
      calm.push(quiet());
      const watched = load.watch();
      const startedAt = performance.now();
      const task = await client.snapshotDisks({ ids: [disk.id], name: 'bench' });
      durations.push(performance.now() - startedAt);
      if (task.state !== 'done') throw new Error(`snapshot ${task.state}: ${task.error?.message}`);
      await load.ran(64);
      stalls.push(watched());
    }
    await load.stop();
  }
  const p99 = quantile(stalls, 0.99);
  log(
    `snapshot stall: median ${median(stalls).toFixed(1)}, p99 ${p99.toFixed(1)} ms; without: p99 ${quantile(calm, 0.99).toFixed(1)} ms`,
  );
  return [
    {
      measure: `live snapshot under QD32 writes: longest write, p99 of ${stalls.length}`,
      value: p99,
      unit: 'ms',
      peer: 'as long without a snapshot',
      peerValue: quantile(calm, 0.99),
      target: '<= 5 ms',
      met: p99 <= 5,
    },
    {
      measure: 'live snapshot under QD32 writes: longest write, median',
      value: median(stalls),
      unit: 'ms',
      peer: 'as long without a snapshot',
      peerValue: median(calm),
    },
    { measure: 'live snapshot, verb to answer, median', value: median(durations), unit: 'ms' },
  ];
}

/** Random 4 KiB writes that keep `depth` requests open, and how long the longest took. */
async function startLoad(uri, depth) {
  const client = await connectNbd(uri);
  const bytes = Buffer.alloc(4096, 7);
  const watches = new Set();
  let isOn = true;
  let count = 0;
  let waiting = [];
  const pages = client.sizeBytes / 4096;
  const lanes = Array.from({ length: depth }, async () => {
    while (isOn) {
      const startedAt = performance.now();
      await client.write(bytes, Math.floor(Math.random() * pages) * 4096);
      const took = performance.now() - startedAt;
      for (const watch of watches) watch.longest = Math.max(watch.longest, took);
      count += 1;
      if (0 < waiting.length) {
        const ready = waiting.filter((one) => one.at <= count);
        waiting = waiting.filter((one) => count < one.at);
        for (const one of ready) one.resolve();
      }
    }
  });
  return {
    ran: (more) => new Promise((resolve) => waiting.push({ at: count + more, resolve })),
    watch: () => {
      const watch = { longest: 0 };
      watches.add(watch);
      return () => {
        watches.delete(watch);
        return watch.longest;
      };
    },
    stop: async () => {
      isOn = false;
      await Promise.all(lanes);
      await client.close();
    },
  };
}
