// The snapshot part of the nbd bench: how long a guest's writes stall around a live snapshot, and as long without one.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connectNbd } from '@oriel/vhd';
import { fill, median, ourDisk, ourService } from './nbd-servers.mjs';

const SNAPSHOTS = 200;
const DEPTH = 32;
/** Storage where a sync costs nothing: what stalls there is the service, not the disk of the machine. */
const MEMORY = '/dev/shm';

const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** On the storage of the machine, then in memory. */
export async function snapshots(client, disks, raw, log) {
  const rows = await measure(client, disks, 'on the disk of this machine', log);
  if (!existsSync(MEMORY)) return rows;
  const folder = mkdtempSync(join(MEMORY, 'oriel-bench-'));
  const service = await ourService(folder);
  try {
    const inMemory = [];
    for (const name of ['one', 'two', 'three', 'four']) {
      inMemory.push(await ourDisk(service.client, raw, name));
      fill(inMemory.at(-1).uri, raw);
    }
    return [...rows, ...(await measure(service.client, inMemory, 'storage in memory', log))];
  } finally {
    await service.client.stop().catch(() => undefined);
    service.client.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The longest a write takes around each of 200 live snapshots, and in a stretch of the same length before it. */
async function measure(client, disks, where, log) {
  const stalls = [];
  const calm = [];
  const durations = [];
  for (const disk of disks) {
    const { uri } = await client.openDisk({ id: disk.id });
    const load = await startLoad(uri);
    await load.ran(2000);
    for (let i = 0; i < SNAPSHOTS / disks.length; i++) {
      const quiet = load.watch();
      await pause(durations.at(-1) ?? 40);
      calm.push(quiet());
      const watched = load.watch();
      const startedAt = performance.now();
      const task = await client.snapshotDisks({ ids: [disk.id], name: 'bench' });
      durations.push(performance.now() - startedAt);
      if (task.state !== 'done') throw new Error(`snapshot ${task.state}: ${task.error?.message}`);
      await load.ran(2 * DEPTH);
      stalls.push(watched());
      await load.ran(1000);
    }
    await load.stop();
  }
  const row = (name, q, target) => {
    const [value, peerValue] = [quantile(stalls, q), quantile(calm, q)];
    log(`snapshot, ${where}: longest write, ${name} ${value.toFixed(1)} ms, without ${peerValue.toFixed(1)} ms`);
    return {
      measure: `live snapshot under QD${DEPTH} writes, ${where}: longest write, ${name} of ${stalls.length}`,
      value,
      unit: 'ms',
      peer: 'as long without a snapshot',
      peerValue,
      ratio: value / peerValue,
      ...(target === undefined ? {} : { target: `<= ${target} ms`, met: value <= target }),
    };
  };
  return [
    row('p99', 0.99, 5),
    row('median', 0.5),
    { measure: `live snapshot, ${where}: verb to answer, median`, value: median(durations), unit: 'ms' },
  ];
}

/** Random 4 KiB writes that keep `DEPTH` requests open, and how long the longest took. */
async function startLoad(uri) {
  const client = await connectNbd(uri);
  const bytes = Buffer.alloc(4096, 7);
  const watches = new Set();
  let isOn = true;
  let count = 0;
  let waiting = [];
  const pages = client.sizeBytes / 4096;
  const lanes = Array.from({ length: DEPTH }, async () => {
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
