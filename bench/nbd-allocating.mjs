// The allocating part of the nbd bench: 512 writes of 4 KiB, each in a block of its own, three ways.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createImage, openChain } from '@oriel/vhd';
import { MIB, median, startServer } from './nbd-servers.mjs';

const STRIDE_BYTES = 2 * MIB;
/** One write at a time, as `qemu-img bench -d 1` does. */
const SINGLE = { writes: 512, depth: 1 };
/** As many at a time as `qemu-img bench` takes by itself, and long enough for its start to count little. */
const MANY = { writes: 4096, depth: 64 };

/** Seconds of `qemu-img bench` for writes of 4 KiB, one in each block of 2 MiB. */
function qemuImg(format, target, { writes, depth }) {
  const startedAt = performance.now();
  const what = ['-w', '-c', String(writes), '-d', String(depth), '-s', '4096', '-S', String(STRIDE_BYTES)];
  execFileSync('qemu-img', ['bench', ...what, '-f', format, target]);
  return (performance.now() - startedAt) / 1000;
}

function newQcow2(folder, { writes }) {
  const path = join(folder, 'blank.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(writes * STRIDE_BYTES)]);
  return path;
}

async function overService(client, load) {
  const sizeBytes = load.writes * STRIDE_BYTES;
  const disk = await client.createDisk({ name: 'blank', source: { from: 'blank', sizeBytes } });
  const seconds = qemuImg('raw', (await client.openDisk({ id: disk.id })).uri, load);
  await client.closeDisk({ id: disk.id });
  await client.removeDisk({ id: disk.id });
  return seconds;
}

async function overQemuNbd(folder, load) {
  const socket = join(folder, 'blank.sock');
  const server = await startServer('qemu-nbd', ['-t', '-f', 'qcow2', '-k', socket, newQcow2(folder, load)], socket);
  const seconds = qemuImg('raw', server.uri, load);
  server.stop();
  rmSync(socket, { force: true });
  return seconds;
}

/** The library as a program would use it, without a socket in between. */
async function inProcess(folder, { writes }) {
  const path = join(folder, 'blank.vhd');
  await createImage(path, { sizeBytes: writes * STRIDE_BYTES });
  const disk = await openChain(path, { isReadOnly: false });
  const bytes = Buffer.alloc(4096, 1);
  const startedAt = performance.now();
  for (let i = 0; i < writes; i++) await disk.write(bytes, i * STRIDE_BYTES);
  const seconds = (performance.now() - startedAt) / 1000;
  await disk.close();
  rmSync(path);
  return seconds;
}

const inFile = (folder, load) => qemuImg('qcow2', newQcow2(folder, load), load);

/** Neither side syncs: `qemu-img bench` does not flush. */
export async function allocating(client, folder, rounds, log) {
  const ways = {
    process: () => inProcess(folder, SINGLE),
    fileWithoutStart: () => inFile(folder, SINGLE) - inFile(folder, { ...SINGLE, writes: 1 }),
    service: () => overService(client, SINGLE),
    qemuNbd: () => overQemuNbd(folder, SINGLE),
    file: () => inFile(folder, SINGLE),
    serviceMany: () => overService(client, MANY),
    qemuNbdMany: () => overQemuNbd(folder, MANY),
    fileMany: () => inFile(folder, MANY),
  };
  const got = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  // The first round is not counted: our code is compiled as it runs.
  for (let round = 0; round <= rounds; round++) {
    for (const [name, way] of Object.entries(ways)) {
      const seconds = await way();
      if (0 < round) got[name].push(seconds);
    }
  }
  const row = ({ writes, depth }, how, ours, peer, theirs, least) => {
    const ratio = median(theirs.map((seconds, round) => seconds / ours[round]));
    log(`allocating, ${depth} at a time, ${how}: ${median(ours).toFixed(4)} s, ${peer} ${median(theirs).toFixed(4)} s`);
    return {
      measure: `${writes} allocating 4 KiB writes, one a block, ${depth} at a time, ${how}`,
      value: median(ours),
      unit: 's',
      peer,
      peerValue: median(theirs),
      ratio,
      ...(least === undefined ? {} : { target: `>= ${least}`, met: least <= ratio }),
    };
  };
  const withoutStart = 'qemu-img bench on qcow2, its start taken off';
  return [
    row(SINGLE, 'both in their process', got.process, withoutStart, got.fileWithoutStart, 2),
    row(SINGLE, 'both over NBD', got.service, 'qemu-nbd on qcow2', got.qemuNbd),
    row(SINGLE, 'ours over NBD', got.service, 'qemu-img bench on qcow2 in its process', got.file),
    row(MANY, 'both over NBD', got.serviceMany, 'qemu-nbd on qcow2', got.qemuNbdMany),
    row(MANY, 'ours over NBD', got.serviceMany, 'qemu-img bench on qcow2 in its process', got.fileMany),
  ];
}
