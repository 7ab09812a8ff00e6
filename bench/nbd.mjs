// `npm run bench -- nbd`: the disk service against nbdkit and qemu-nbd, all in one run, on hot 64 MiB sets.

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { allocating } from './nbd-allocating.mjs';
import { buildLoad, clients } from './nbd-clients.mjs';
import { fill, MIB, median, ourDisk, ourService, peers, residentMiB } from './nbd-servers.mjs';
import { snapshots } from './nbd-snapshots.mjs';

export const title = 'the disk service over NBD';
export const packages = ['nbdkit', 'fio', 'libnbd-bin', 'gcc'];

const SECONDS = Number(process.env.ORIEL_BENCH_SECONDS ?? 2);
/** Parts to run, for whoever works on one: `loads,allocating,four,memory,snapshots`. */
const ONLY = (process.env.ORIEL_BENCH_ONLY ?? '').split(',').filter((part) => part !== '');

/**
 * What a client does, whom it is compared with, and the target. At QD32 fio is what is measured, as it shows by what it
 * gets from a server that does nothing; so those rows are there once more with the light client.
 */
const LOADS = [
  {
    measure: '4 KiB random read, QD32',
    client: 'fio',
    rw: 'randread',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 1, qemuVpc: 3, nothing: undefined },
  },
  {
    measure: '4 KiB random write, QD32',
    client: 'fio',
    rw: 'randwrite',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 0.8, qemuVpc: 20, nothing: undefined },
  },
  {
    measure: '4 KiB random read, QD32, light client',
    client: 'light',
    rw: 'randread',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 1, qemuVpc: 3, nothing: undefined },
  },
  {
    measure: '4 KiB random write, QD32, light client',
    client: 'light',
    rw: 'randwrite',
    blockBytes: 4096,
    depth: 32,
    against: { nbdkit: 0.8, qemuVpc: 20, nothing: undefined },
  },
  {
    measure: '4 KiB random read, QD1',
    client: 'fio',
    rw: 'randread',
    blockBytes: 4096,
    depth: 1,
    against: { qemuRaw: 1 },
  },
  {
    measure: '4 KiB random write, QD1',
    client: 'fio',
    rw: 'randwrite',
    blockBytes: 4096,
    depth: 1,
    against: { qemuRaw: 1 },
  },
  {
    measure: '1 MiB sequential read, QD8',
    client: 'fio',
    rw: 'read',
    blockBytes: MIB,
    depth: 8,
    against: { nbdkit: 0.9 },
  },
  {
    measure: '1 MiB sequential write, QD8',
    client: 'fio',
    rw: 'write',
    blockBytes: MIB,
    depth: 8,
    against: { nbdkit: 0.9 },
  },
];
const NAMES = {
  nbdkit: 'nbdkit file',
  nothing: 'a server that does nothing',
  qemuRaw: 'qemu-nbd raw',
  qemuVpc: 'qemu-nbd vpc',
};

export async function run({ rounds, log }) {
  const folder = mkdtempSync('/tmp/oriel-bench-');
  const generator = buildLoad(folder);
  const client = clients(generator);
  const servers = await peers(folder, generator);
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
      loads: () => loads(disk, servers, client, rounds, log),
      allocating: () => allocating(service.client, folder, rounds, log),
      four: () => four(disks, servers, client, rounds, log),
      memory: () => memory(service, disks, log),
      snapshots: () => snapshots(service.client, servers.raw, generator, rounds, log),
    };
    const rows = [];
    for (const [name, part] of Object.entries(parts))
      if (ONLY.length === 0 || ONLY.includes(name)) rows.push(...(await part()));
    return rows;
  } finally {
    await service.client.stop().catch(() => undefined);
    service.client.disconnect();
    for (const name of Object.keys(NAMES)) servers[name].stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function loads(disk, servers, client, rounds, log) {
  const rows = [];
  for (const load of LOADS) {
    const names = Object.keys(load.against);
    const got = Object.fromEntries(['ours', ...names].map((name) => [name, []]));
    const isLarge = load.blockBytes === MIB;
    // Once unmeasured: our code is compiled as it runs, and the peers' caches fill too.
    for (const name of ['ours', ...names])
      await client[load.client](name === 'ours' ? disk.uri : servers[name].uri, { ...load, seconds: 1 });
    for (let round = 0; round < rounds; round++) {
      for (const name of ['ours', ...names]) {
        const { uri } = name === 'ours' ? disk : servers[name];
        const { iops, mibPerSecond } = await client[load.client](uri, { ...load, seconds: SECONDS });
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
        ...(least === undefined ? {} : { target: `>= ${least}`, met: least <= ratio }),
      });
      log(`${load.measure}: ${Math.round(value)}, ${NAMES[name]} ${Math.round(peerValue)}, ratio ${ratio.toFixed(2)}`);
    }
  }
  return rows;
}

/** Four disks at once against one, and how the same load scales on nbdkit with four clients. */
async function four(disks, servers, client, rounds, log) {
  const rows = [];
  const cases = [
    { name: '4 KiB random read, QD1', client: 'fio', rw: 'randread', blockBytes: 4096, depth: 1, target: 3 },
    { name: '4 KiB random read, QD32, light client', client: 'light', rw: 'randread', blockBytes: 4096, depth: 32 },
  ];
  for (const { name, target, ...load } of cases) {
    const one = [];
    const all = [];
    const kitOne = [];
    const kitAll = [];
    const sum = async (uris) => {
      const got = await Promise.all(uris.map((uri) => client[load.client](uri, { ...load, seconds: SECONDS })));
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
      ...(target === undefined ? {} : { target: `>= ${target}`, met: target <= ratio }),
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
