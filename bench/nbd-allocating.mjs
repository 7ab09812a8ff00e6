// The allocating part of the nbd bench: 512 writes of 4 KiB, each in a block of its own, three ways.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { createImage, openChain } from '@oriel/vhd';
import { MIB, median, startServer } from './nbd-servers.mjs';

const WRITES = 512;
const STRIDE_BYTES = 2 * MIB;

/** Seconds of `qemu-img bench` for so many writes of 4 KiB, one in each block of 2 MiB. */
function qemuImg(format, target, writes = WRITES) {
  const startedAt = performance.now();
  const what = ['-w', '-c', String(writes), '-d', '1', '-s', '4096', '-S', String(STRIDE_BYTES)];
  execFileSync('qemu-img', ['bench', ...what, '-f', format, target]);
  return (performance.now() - startedAt) / 1000;
}

function newQcow2(folder) {
  const path = join(folder, 'blank.qcow2');
  execFileSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, String(WRITES * STRIDE_BYTES)]);
  return path;
}

async function overService(client) {
  const disk = await client.createDisk({ name: 'blank', source: { from: 'blank', sizeBytes: WRITES * STRIDE_BYTES } });
  const seconds = qemuImg('raw', (await client.openDisk({ id: disk.id })).uri);
  await client.closeDisk({ id: disk.id });
  await client.removeDisk({ id: disk.id });
  return seconds;
}

async function overQemuNbd(folder) {
  const socket = join(folder, 'blank.sock');
  const server = await startServer('qemu-nbd', ['-t', '-f', 'qcow2', '-k', socket, newQcow2(folder)], socket);
  const seconds = qemuImg('raw', server.uri);
  server.stop();
  rmSync(socket, { force: true });
  return seconds;
}

/** The library as a program would use it, without a socket in between. */
async function inProcess(folder) {
  const path = join(folder, 'blank.vhd');
  await createImage(path, { sizeBytes: WRITES * STRIDE_BYTES });
  const disk = await openChain(path, { isReadOnly: false });
  const bytes = Buffer.alloc(4096, 1);
  const startedAt = performance.now();
  for (let i = 0; i < WRITES; i++) await disk.write(bytes, i * STRIDE_BYTES);
  const seconds = (performance.now() - startedAt) / 1000;
  await disk.close();
  rmSync(path);
  return seconds;
}

/** Neither side syncs: `qemu-img bench` does not flush. */
export async function allocating(client, folder, rounds, log) {
  const got = { service: [], process: [], file: [], fileWithoutStart: [], qemuNbd: [] };
  for (let round = 0; round < rounds; round++) {
    got.service.push(await overService(client));
    got.qemuNbd.push(await overQemuNbd(folder));
    got.process.push(await inProcess(folder));
    got.file.push(qemuImg('qcow2', newQcow2(folder)));
    got.fileWithoutStart.push(got.file.at(-1) - qemuImg('qcow2', newQcow2(folder), 1));
  }
  const row = (measure, ours, peer, theirs, least) => {
    const ratio = median(theirs.map((seconds, round) => seconds / ours[round]));
    log(`allocating ${measure}: ${median(ours).toFixed(4)} s, ${peer} ${median(theirs).toFixed(4)} s`);
    return {
      measure: `${WRITES} allocating 4 KiB writes, one a block, ${measure}`,
      value: median(ours),
      unit: 's',
      peer,
      peerValue: median(theirs),
      ratio,
      ...(least === undefined ? {} : { target: `>= ${least}`, met: least <= ratio }),
    };
  };
  return [
    row('both in their process', got.process, 'qemu-img bench on qcow2, its start taken off', got.fileWithoutStart, 2),
    row('both over NBD', got.service, 'qemu-nbd on qcow2', got.qemuNbd),
    row('ours over NBD', got.service, 'qemu-img bench on qcow2 in its process', got.file),
  ];
}
