// The clients of the nbd bench: fio with its nbd engine, and nbd-load.c, which costs so little that the server is measured.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { MIB, SET_BYTES } from './nbd-servers.mjs';

/** Builds the load generator into a folder; its path. */
export function buildLoad(folder) {
  const program = join(folder, 'nbd-load');
  execFileSync('gcc', ['-O2', join(import.meta.dirname, 'nbd-load.c'), '-o', program]);
  return program;
}

/** Both clients do the same: one connection that keeps `depth` requests open for so many seconds. IOPS and MiB/s. */
export function clients(generator) {
  return { fio, light: (uri, load) => light(generator, uri, load) };
}

/** One fio run over NBD. */
async function fio(uri, { rw, blockBytes, depth, seconds }) {
  const args = [
    '--name=bench',
    '--ioengine=nbd',
    `--uri=${uri}`,
    `--rw=${rw}`,
    `--bs=${blockBytes}`,
    `--iodepth=${depth}`,
    `--size=${SET_BYTES}`,
    '--time_based',
    `--runtime=${seconds}`,
    '--output-format=json',
    '--norandommap',
    '--randrepeat=1',
  ];
  const out = await output('fio', args);
  const { jobs } = JSON.parse(out.slice(out.indexOf('{')));
  const side = rw.includes('read') ? jobs[0].read : jobs[0].write;
  return { iops: side.iops, mibPerSecond: side.bw_bytes / MIB };
}

/** One run of nbd-load: random places only. */
async function light(generator, uri, { rw, blockBytes, depth, seconds }) {
  const kind = rw.replace('rand', '');
  const out = await output(generator, [uri, kind, `bytes=${blockBytes}`, `depth=${depth}`, `seconds=${seconds}`]);
  const { requests, seconds: took } = JSON.parse(out);
  return { iops: requests / took, mibPerSecond: (requests * blockBytes) / took / MIB };
}

/** Standard output of a program that has to succeed. */
function output(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], cwd: '/tmp' });
    let out = '';
    let err = '';
    child.stdout.on('data', (text) => {
      out += text;
    });
    child.stderr.on('data', (text) => {
      err += text;
    });
    child.on('close', (code) => (code === 0 ? resolve(out) : reject(new Error(`${program}: ${err || out}`))));
  });
}

/** Random 4 KiB writes without end; `longest` is the longest that one took since it was asked before, in milliseconds. */
export function endlessWrites(generator, uri, depth) {
  const child = spawn(generator, [uri, 'write', `depth=${depth}`, 'seconds=0'], { stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ended = once(child, 'close');
  const ask = async () => {
    child.stdin.write('\n');
    const { value } = await lines.next();
    if (value === undefined) throw new Error('nbd-load ended early');
    return JSON.parse(value);
  };
  return {
    longest: async () => (await ask()).longestMs,
    /** Settles when so many more writes are done. */
    ran: async (more) => {
      const { requests } = await ask();
      while ((await ask()).requests < requests + more) await new Promise((resolve) => setTimeout(resolve, 1));
    },
    stop: async () => {
      child.stdin.end();
      await ended;
    },
  };
}
