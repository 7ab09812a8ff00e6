// `oriel` as people run it: whole processes, from their start to their end. How long the quick verbs take beside Node itself,
// and copies beside qemu-img, until the result is on stable storage: ours syncs by itself, qemu-img has `sync FILE` behind it.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { command, faceOff, fasterRow, makeRaw, timed, timesRow } from './face-off.mjs';

export const title = 'the oriel command: start of the quick verbs, copies against qemu-img, as processes';
export const packages = ['qemu-utils'];

const GIB = 2 ** 30;
const ORIEL = fileURLToPath(new URL('../gateway/bin/oriel.mjs', import.meta.url));
/** A start takes a twentieth of a second, so many of them are taken. */
const STARTS = 15;

const node = (...args) => timed(() => command(process.execPath, args));
const oriel = (...args) => node(ORIEL, ...args);

async function startRows(folder, rounds) {
  const image = join(folder, 'a.vhd');
  await oriel('vhd', 'create', image, '--size', '40G');
  const times = Math.max(rounds, STARTS);
  const nothing = () => node('-e', '0');
  const rows = [
    timesRow('oriel vhd info', await faceOff(times, () => oriel('vhd', 'info', image), nothing), 'node -e 0', 2),
  ];
  const gateway = await startGateway(join(folder, 'data'));
  try {
    const list = () => timed(() => command(process.execPath, [ORIEL, 'vm', 'list'], { env: gateway.env }));
    rows.push(timesRow('oriel vm list', await faceOff(times, list, nothing), 'node -e 0', 3));
  } finally {
    await gateway.stop();
  }
  const qemu = () => timed(() => command('qemu-img', ['info', image]));
  const {
    target: _,
    met: __,
    ...beside
  } = timesRow('oriel vhd info', await faceOff(times, () => oriel('vhd', 'info', image), qemu), 'qemu-img info', 0);
  return [...rows, beside];
}

/** A gateway with one VM, as a first start on this machine has it. */
async function startGateway(dataFolder) {
  const env = { ...process.env, ORIEL_DATA: dataFolder, ORIEL_LISTEN: '127.0.0.1:0', ORIEL_DEMO: 'toy' };
  env.ORIEL_PROFILES = join(dataFolder, 'profiles.json');
  const child = spawn(process.execPath, [ORIEL, 'start'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  let text = '';
  await new Promise((resolve, reject) => {
    child.once('exit', (status) => reject(new Error(`oriel start ended with ${status}: ${text}`)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('Ctrl-C stops the gateway')) resolve();
    });
  });
  const stop = async () => {
    child.kill('SIGINT');
    await exited;
    command(process.execPath, [ORIEL, 'stop', '--all', '--force'], { env });
  };
  return { env, stop };
}

/** Both ways, on one place, for each number of cores and kind of data. */
async function copyRows(folder, label, rounds, log) {
  const rows = [];
  for (const [kind, sizeBytes, dataBytes] of [
    ['1 GiB of random data', GIB, GIB],
    ['256 MiB in 8 GiB', 8 * GIB, GIB / 4],
  ]) {
    makeRaw(join(folder, 'disk.raw'), sizeBytes, dataBytes);
    for (const cores of availableParallelism() < 2 ? [1] : [1, 2]) {
      log(`${label}, ${kind}, ${cores} cores`);
      rows.push(
        ...(await bothWays(folder, `${kind}, ${label}, ${cores} ${cores === 1 ? 'core' : 'cores'}`, cores, rounds)),
      );
    }
    fs.rmSync(join(folder, 'disk.raw'));
  }
  return rows;
}

async function bothWays(folder, label, cores, rounds) {
  const at = (name) => join(folder, name);
  const on = cores === 1 ? '0' : '0,1';
  /** A new file each time, and the time until it is on stable storage. */
  const make = (to, ...words) => {
    fs.rmSync(to, { force: true });
    return timed(() => command('taskset', ['-c', on, ...words]));
  };
  const ours = (from, to) => make(to, process.execPath, ORIEL, 'vhd', 'convert', from, to);
  const qemu = (from, to, ...how) =>
    make(to, 'sh', '-c', 'qemu-img convert "$@" && for last; do :; done && sync "$last"', 'sh', ...how, from, to);
  const up = await faceOff(
    rounds,
    () => ours(at('disk.raw'), at('ours.vhd')),
    () => qemu(at('disk.raw'), at('peer.vhd'), '-f', 'raw', '-O', 'vpc', '-o', 'force_size=on'),
  );
  const down = await faceOff(
    rounds,
    () => ours(at('ours.vhd'), at('ours.raw')),
    () => qemu(at('peer.vhd'), at('peer.raw'), '-f', 'vpc', '-O', 'raw'),
  );
  execFileSync('cmp', [at('ours.raw'), at('disk.raw')]);
  const least = await faceOff(
    rounds,
    () => make(at('peer.raw'), 'dd', `if=${at('disk.raw')}`, `of=${at('peer.raw')}`, 'bs=1M', 'conv=sparse,fsync'),
    () => make(at('peer.raw'), 'cp', at('disk.raw'), at('peer.raw')),
  );
  for (const name of ['ours.vhd', 'peer.vhd', 'ours.raw', 'peer.raw']) fs.rmSync(at(name));
  return [
    fasterRow(`raw to VHD, ${label}`, up, 'qemu-img, sync', 1.2),
    fasterRow(`VHD to raw, ${label}`, down, 'qemu-img, sync', 1),
    {
      measure: `the least: dd, ${label}`,
      value: least.ours / 1000,
      unit: 's',
      peer: 'cp',
      peerValue: least.peer / 1000,
    },
  ];
}

/** Runs `work` with a folder below `parent`, which goes again. */
async function inFolder(parent, work) {
  const folder = fs.mkdtempSync(join(parent, 'oriel-bench-'));
  try {
    return await work(folder);
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

export async function run({ rounds, log }) {
  const parts = {
    start: () => inFolder(tmpdir(), (folder) => startRows(folder, rounds)),
    memory: () => inFolder('/dev/shm', (folder) => copyRows(folder, 'in memory', rounds, log)),
    disk: () =>
      inFolder(process.env.ORIEL_BENCH_DIR ?? tmpdir(), (folder) => copyRows(folder, 'on the disk', rounds, log)),
  };
  const only = process.env.ORIEL_BENCH_ONLY?.split(',');
  const rows = [];
  for (const [name, part] of Object.entries(parts)) {
    if (only?.includes(name) === false) continue;
    log(name);
    rows.push(...(await part()));
  }
  return rows;
}
