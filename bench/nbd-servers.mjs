// The NBD servers that the nbd bench compares, each on a hot 64 MiB file.
import { execFileSync, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connectDiskService, DISK_SERVICE_FLAGS } from '@oriel/vhd';

export const MIB = 1 << 20;
export const SET_BYTES = 64 * MIB;

/** The middle one. */
export const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Starts a server process and waits for its socket. */
export async function startServer(program, args, socketPath) {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (text) => {
    said += text;
  });
  for (let tries = 0; !existsSync(socketPath); tries++) {
    if (child.exitCode !== null || 500 < tries) throw new Error(`${program} does not start: ${said}`);
    await pause(10);
  }
  return { uri: `nbd+unix:///?socket=${socketPath}`, pid: child.pid, stop: () => void child.kill('SIGTERM') };
}

/**
 * A raw file of random bytes, and servers of it: nbdkit, qemu-nbd raw, and qemu-nbd on a full dynamic VHD; and one that does
 * nothing at all, by `generator` (nbd-load.c): what a client gets from it is what the client can do.
 */
export async function peers(folder, generator) {
  const raw = join(folder, 'set.raw');
  writeFileSync(raw, randomFillSync(Buffer.alloc(SET_BYTES)));
  const copy = join(folder, 'nbdkit.raw');
  execFileSync('cp', [raw, copy]);
  const vhd = join(folder, 'qemu.vhd');
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'vpc', '-o', 'subformat=dynamic,force_size=on', raw, vhd]);
  const at = (name) => join(folder, `${name}.sock`);
  return {
    raw,
    nothing: await startServer(generator, ['serve', at('nothing')], at('nothing')),
    nbdkit: await startServer('nbdkit', ['-f', '-U', at('nbdkit'), 'file', copy], at('nbdkit')),
    qemuRaw: await startServer('qemu-nbd', ['-t', '-e', '8', '-f', 'raw', '-k', at('raw'), raw], at('raw')),
    qemuVpc: await startServer('qemu-nbd', ['-t', '-e', '8', '-f', 'vpc', '-k', at('vpc'), vhd], at('vpc')),
  };
}

/**
 * Our service, and the pid whose memory counts. Not detached, as it would be in earnest: a session of its own would give
 * it a share of a busy machine that its peers do not have.
 */
export async function ourService(folder) {
  mkdirSync(folder, { recursive: true });
  const socketPath = join(folder, 'control.sock');
  const { pid } = await startServer(
    process.execPath,
    [
      ...DISK_SERVICE_FLAGS,
      join(import.meta.dirname, '../gateway/bin/oriel.mjs'),
      'disk-service',
      'serve',
      '--storage',
      join(folder, 'storage'),
      '--socket',
      socketPath,
      '--run-dir',
      join(folder, 'run'),
    ],
    socketPath,
  );
  const client = connectDiskService(socketPath);
  await client.health();
  return { client, pid };
}

/** A clone of a template that holds the set, and whose leaf has every block: half of its sectors are the leaf's. */
export async function ourDisk(client, raw, name) {
  const images = await client.listImages();
  let image = images.find((one) => one.name === 'set')?.id;
  if (image === undefined) {
    const task = await client.importImage({ name: 'set', path: raw, kind: 'template' });
    image = (await client.waitForTask(task.id)).result.id;
  }
  const disk = await client.createDisk({ name, source: { from: 'image', imageId: image } });
  const { uri } = await client.openDisk({ id: disk.id });
  return { id: disk.id, uri };
}

/** Fills the leaf of a disk, so that writes to it allocate nothing. */
export function fill(uri, raw) {
  execFileSync('nbdcopy', ['--allocated', '--flush', raw, uri]);
}

/** Resident memory of a process, MiB. */
export function residentMiB(pid) {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(line[1]) / 1024;
}
