// The snapshot part of the nbd bench: how long a guest's writes stall around a live snapshot, and as long without one.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endlessWrites } from './nbd-clients.mjs';
import { fill, median, ourDisk, ourService } from './nbd-servers.mjs';

const SNAPSHOTS = 200;
const DEPTH = 32;
/** Storage where a sync costs nothing: what stalls there is the service, not the disk of the machine. */
const MEMORY = '/dev/shm';

const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** On the storage of the machine, then in memory. */
export async function snapshots(client, disks, raw, generator, log) {
  const rows = await measure(client, disks, generator, 'on the disk of this machine', log);
  if (!existsSync(MEMORY)) return rows;
  const folder = mkdtempSync(join(MEMORY, 'oriel-bench-'));
  const service = await ourService(folder);
  try {
    const inMemory = [];
    for (const name of ['one', 'two', 'three', 'four']) {
      inMemory.push(await ourDisk(service.client, raw, name));
      fill(inMemory.at(-1).uri, raw);
    }
    return [...rows, ...(await measure(service.client, inMemory, generator, 'storage in memory', log))];
  } finally {
    await service.client.stop().catch(() => undefined);
    service.client.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The longest a write takes around each of 200 live snapshots, and in a stretch of the same length before it. */
async function measure(client, disks, generator, where, log) {
  const stalls = [];
  const calm = [];
  const durations = [];
  for (const disk of disks) {
    const { uri } = await client.openDisk({ id: disk.id });
    const load = endlessWrites(generator, uri, DEPTH);
    await load.ran(2000);
    for (let i = 0; i < SNAPSHOTS / disks.length; i++) {
      await load.longest();
      await pause(durations.at(-1) ?? 40);
      calm.push(await load.longest());
      const startedAt = performance.now();
      const task = await client.snapshotDisks({ ids: [disk.id], name: 'bench' });
      durations.push(performance.now() - startedAt);
      if (task.state !== 'done') throw new Error(`snapshot ${task.state}: ${task.error?.message}`);
      stalls.push(await load.longest()); // Requests that are still open count too.
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
