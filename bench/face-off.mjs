// Ours beside a peer, in turns: what the benchmarks of disks have in common.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';

const BLOCK = 2 * 2 ** 20;

/** Seeded numbers below `below`. */
export function seeded(seed) {
  let state = seed >>> 0;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

export const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

export async function timed(work) {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

export const command = (name, args, options = {}) => {
  const { status, stderr } = spawnSync(name, args, { ...options, stdio: ['ignore', 'ignore', 'pipe'] });
  if (status !== 0) throw new Error(`${name} ${args.join(' ')}: ${stderr}`);
};

/** `dataBytes` of random data in blocks spread over `sizeBytes`. */
export function makeRaw(file, sizeBytes, dataBytes) {
  const random = seeded(12345);
  const blocks = Array.from({ length: sizeBytes / BLOCK }, (_, i) => i);
  for (let i = blocks.length - 1; 0 < i; i--) {
    const j = random(i + 1);
    [blocks[i], blocks[j]] = [blocks[j], blocks[i]];
  }
  const bytes = randomBytes(BLOCK);
  const fd = fs.openSync(file, 'w');
  fs.ftruncateSync(fd, sizeBytes);
  for (const block of blocks.slice(0, dataBytes / BLOCK).sort((a, b) => a - b)) {
    bytes.writeUInt32LE(block, 0);
    fs.writeSync(fd, bytes, 0, BLOCK, block * BLOCK);
  }
  fs.closeSync(fd);
}

/** Ours and the peer in turns; who begins changes. The result is the median of each. */
export async function faceOff(rounds, ours, peer) {
  const times = { ours: [], peer: [] };
  for (let i = 0; i <= rounds; i++) {
    const pair = i % 2 === 0 ? [ours, peer] : [peer, ours];
    const got = [];
    for (const side of pair) got.push(await side());
    if (i === 0) continue; // The first round warms files, memory and compiler.
    times.ours.push(got[pair.indexOf(ours)]);
    times.peer.push(got[pair.indexOf(peer)]);
  }
  return { ours: median(times.ours), peer: median(times.peer) };
}

/** How many times as fast as the peer. */
export function fasterRow(measure, { ours, peer }, name, least) {
  const ratio = peer / ours;
  return {
    measure,
    value: ours / 1000,
    unit: 's',
    peer: name,
    peerValue: peer / 1000,
    ratio,
    target: `>= ${least}`,
    met: least <= ratio,
  };
}

/** How many times the peer's time. */
export function timesRow(measure, { ours, peer }, name, most) {
  const ratio = ours / peer;
  return {
    measure,
    value: ours / 1000,
    unit: 's',
    peer: name,
    peerValue: peer / 1000,
    ratio,
    target: `<= ${most}`,
    met: ratio <= most,
  };
}
