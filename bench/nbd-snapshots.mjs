// The snapshot part of the nbd bench: how long a guest's writes stall around a live snapshot, and as long without one.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { endlessWrites } from './nbd-clients.mjs';
import { fill, median, ourDisk, ourService } from './nbd-servers.mjs';

const SNAPSHOTS = 200;
const DISKS = 4;
const DEPTH = 32;
/** Storage where a sync costs nothing: what stalls there is the service, not the disk of the machine. */
const MEMORY = '/dev/shm';

const quantile = (values, q) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** On the storage of the machine, then in memory; the median of the rounds. */
export async function snapshots(client, raw, generator, rounds, log) {
  const rows = await measure(client, raw, generator, rounds, 'on the disk of this machine', log);
  if (!existsSync(MEMORY)) return rows;
  const folder = mkdtempSync(join(MEMORY, 'oriel-bench-'));
  const service = await ourService(folder);
  try {
    return [...rows, ...(await measure(service.client, raw, generator, rounds, 'storage in memory', log))];
  } finally {
    await service.client.stop().catch(() => undefined);
    service.client.disconnect();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function measure(client, raw, generator, rounds, where, log) {
  const got = { stall: { p99: [], median: [] }, calm: { p99: [], median: [] }, verb: [] };
  for (let round = 0; round < rounds; round++) {
    const { stalls, calm, durations } = await oneRound(client, raw, generator);
    for (const [name, values] of Object.entries({ stall: stalls, calm })) {
      got[name].p99.push(quantile(values, 0.99));
      got[name].median.push(quantile(values, 0.5));
    }
    got.verb.push(quantile(durations, 0.5));
    log(
      `snapshot, ${where}: longest write, p99 ${got.stall.p99[round].toFixed(1)} ms, without ${got.calm.p99[round].toFixed(1)} ms`,
    );
  }
  const row = (name, target) => {
    const [value, peerValue] = [median(got.stall[name]), median(got.calm[name])];
    return {
      measure: `live snapshot under QD${DEPTH} writes, ${where}: longest write, ${name} of ${SNAPSHOTS}`,
      value,
      unit: 'ms',
      peer: 'as long without a snapshot',
      peerValue,
      ratio: value / peerValue,
      ...(target === undefined ? {} : { target: `<= ${target} ms`, met: value <= target }),
    };
  };
  return [
    row('p99', 5),
    row('median'),
    { measure: `live snapshot, ${where}: verb to answer, median`, value: median(got.verb), unit: 'ms' },
  ];
}

/** The longest a write takes around each of 200 live snapshots of fresh disks, and in a stretch of the same length before it. */
async function oneRound(client, raw, generator) {
  const stalls = [];
  const calm = [];
  const durations = [];
  for (let number = 0; number < DISKS; number++) {
    const disk = await ourDisk(client, raw, `snapshots-${number}`);
    fill(disk.uri, raw);
    const load = endlessWrites(generator, disk.uri, DEPTH);
    await load.ran(2000);
    for (let i = 0; i < SNAPSHOTS / DISKS; i++) {
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
    await client.closeDisk({ id: disk.id });
    await client.removeDisk({ id: disk.id });
  }
  return { stalls, calm, durations };
}
