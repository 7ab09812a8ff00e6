// The snapshot part of the nbd bench: how long a guest's writes stall around a live snapshot, and as long without one.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { connectNbd } from '@oriel/vhd';
import { endlessWrites } from './nbd-clients.mjs';
import { fill, median, ourDisk, ourService } from './nbd-servers.mjs';

const SNAPSHOTS = 200;
const DISKS = 4;
/** Writes between two stretches that are watched. */
const SETTLED = 3000;
const PEERS = { calm: 'as long without a snapshot', flush: "around a guest's flush" };
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
  const none = () => ({ p99: [], median: [] });
  const got = { stall: none(), flush: none(), calm: none(), verb: [] };
  for (let round = 0; round < rounds; round++) {
    const { stalls, flushes, calm, durations } = await oneRound(client, raw, generator);
    for (const [name, values] of Object.entries({ stall: stalls, flush: flushes, calm })) {
      got[name].p99.push(quantile(values, 0.99));
      got[name].median.push(quantile(values, 0.5));
    }
    got.verb.push(quantile(durations, 0.5));
    const p99 = (name) => got[name].p99[round].toFixed(1);
    log(
      `snapshot, ${where}: longest write, p99 ${p99('stall')} ms, around a flush ${p99('flush')}, without ${p99('calm')}`,
    );
  }
  const row = (name, peer, target) => {
    const [value, peerValue] = [median(got.stall[name]), median(got[peer][name])];
    return {
      measure: `live snapshot under QD${DEPTH} writes, ${where}: longest write, ${name} of ${SNAPSHOTS}`,
      value,
      unit: 'ms',
      peer: PEERS[peer],
      peerValue,
      ratio: value / peerValue,
      ...(target === undefined ? {} : { target: `<= ${target} ms`, met: value <= target }),
    };
  };
  return [
    row('p99', 'calm', 5),
    row('p99', 'flush'),
    row('median', 'calm'),
    row('median', 'flush'),
    { measure: `live snapshot, ${where}: verb to answer, median`, value: median(got.verb), unit: 'ms' },
  ];
}

/**
 * The longest a write takes around each of 200 live snapshots of fresh disks, around a flush as guests ask for all the time,
 * and in a stretch as long as a snapshot in which there is neither.
 */
async function oneRound(client, raw, generator) {
  const stalls = [];
  const flushes = [];
  const calm = [];
  const durations = [];
  for (let number = 0; number < DISKS; number++) {
    const disk = await ourDisk(client, raw, `snapshots-${number}`);
    fill(disk.uri, raw);
    const load = endlessWrites(generator, disk.uri, DEPTH);
    const guest = await connectNbd(disk.uri);
    await load.ran(2000);
    for (let i = 0; i < SNAPSHOTS / DISKS; i++) {
      await load.longest();
      await pause(durations.at(-1) ?? 40);
      calm.push(await load.longest());
      await guest.flush();
      flushes.push(await load.longest());
      await load.ran(SETTLED);
      await load.longest();
      const startedAt = performance.now();
      const task = await client.snapshotDisks({ ids: [disk.id], name: 'bench' });
      durations.push(performance.now() - startedAt);
      if (task.state !== 'done') throw new Error(`snapshot ${task.state}: ${task.error?.message}`);
      stalls.push(await load.longest()); // Requests that are still open count too.
      await load.ran(SETTLED);
    }
    await load.stop();
    await guest.close();
    await client.closeDisk({ id: disk.id });
    await client.removeDisk({ id: disk.id });
  }
  return { stalls, flushes, calm, durations };
}
