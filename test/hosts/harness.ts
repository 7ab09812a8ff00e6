// What the tests of the QEMU driver stand on: a short scratch folder, the toy guest's disk behind qemu-nbd (a real NBD peer
// that is not ours), and a check that nothing is left: no process, no socket, no file, no descriptor.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { copyFile, mkdtemp, readdir, readFile, rm, truncate } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type HostDriver,
  type QemuOptions,
  qemuDriver,
  TOY_IMAGE_PATH,
  type VmId,
  type VmSpecInput,
} from '@oriel/hosts';

export const TOY_DISK_BYTES = 1 << 20;

export interface NbdServer {
  readonly uri: string;
  readonly image: string;
  readonly socket: string;
  readonly process: ChildProcess;
  stop(): Promise<void>;
}

export class Scratch {
  readonly folder: string;
  readonly #servers: NbdServer[] = [];
  /** Whatever lies below one of these, a driver has made. */
  readonly #driven = new Set<string>();
  readonly #descriptors = openDescriptors();

  private constructor(folder: string) {
    this.folder = folder;
  }

  /** Below /tmp and short: sockets have to fit into 107 bytes. */
  static async create(): Promise<Scratch> {
    return new Scratch(await mkdtemp('/tmp/oh-'));
  }

  get runDir(): string {
    return join(this.folder, 'run');
  }

  driver(options: Partial<QemuOptions> = {}): HostDriver {
    const settled = { runDir: this.runDir, accelerator: 'tcg', ...options } as const;
    for (const folder of [settled.runDir, settled.stateDir]) if (folder !== undefined) this.#driven.add(folder);
    return qemuDriver(settled);
  }

  async toyDisk(name: string): Promise<NbdServer> {
    const image = join(this.folder, `${name}.raw`);
    await copyFile(TOY_IMAGE_PATH, image);
    await truncate(image, TOY_DISK_BYTES);
    return this.serve(name, image);
  }

  async serve(name: string, image: string): Promise<NbdServer> {
    const server = await startNbd(join(this.folder, `${name}.nbd`), name, image);
    this.#servers.push(server);
    return server;
  }

  bootable(id: string, disk: NbdServer): VmSpecInput {
    return {
      id,
      memoryMiB: 64,
      disks: [{ id: 'system', uri: disk.uri }],
      hasRng: false,
      hasTablet: false,
      hasAgent: false,
    };
  }

  /** Kills what a test left, then fails the test for it: looks for processes, files and sockets, and descriptors, always. */
  async close(): Promise<void> {
    await Promise.all(this.#servers.map((server) => server.stop()));
    const processes = processesWith(this.folder);
    for (const { pid } of processes) process.kill(pid, 'SIGKILL');
    const files = (await Promise.all([...this.#driven].map(leftBelow))).flat();
    await rm(this.folder, { recursive: true, force: true });
    const isOpen = (): boolean => this.#descriptors < openDescriptors();
    for (let look = 0; look < 100 && isOpen(); look++) await delay(10); // Closing is not done when close() returns.
    const problems = [
      ...processes.map(({ pid, words }) => `process ${pid}: ${words.slice(0, 100)}`),
      ...files,
      ...(isOpen() ? [`${openDescriptors() - this.#descriptors} descriptors`] : []),
    ];
    if (0 < problems.length) throw new Error(`left behind: ${problems.join(', ')}`);
  }

  /** Stops every VM by force and forgets it: what a test does at its end unless it is about just that. */
  async removeAll(driver: HostDriver): Promise<void> {
    await Promise.all(driver.tasks().map((task) => task.done.catch(() => undefined))); // Those taken over included.
    for (const vm of await driver.list()) {
      if (vm.state.state !== 'stopped' && vm.state.state !== 'saved')
        await driver.power(vm.id, 'kill').done.catch(() => undefined);
      await driver.remove(vm.id).done;
    }
  }
}

async function startNbd(socket: string, exportName: string, image: string): Promise<NbdServer> {
  await rm(socket, { force: true });
  const argv = ['-f', 'raw', '-k', socket, '-x', exportName, '-t', '-e', '64', '--', image];
  const child = spawn('/usr/bin/qemu-nbd', argv, { stdio: 'ignore' });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  while (!(await accepts(socket))) {
    if (child.exitCode !== null) throw new Error(`qemu-nbd ended with ${child.exitCode}`);
    await delay(5);
  }
  return {
    uri: `nbd+unix:///${exportName}?socket=${socket}`,
    image,
    socket,
    process: child,
    stop: async () => {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

function accepts(path: string): Promise<boolean> {
  if (!existsSync(path)) return Promise.resolve(false);
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

export function processesWith(word: string): readonly { readonly pid: number; readonly words: string }[] {
  const found: { pid: number; words: string }[] = [];
  for (const entry of readdirSync('/proc')) {
    const pid = Number(entry);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
      if (words.includes(`${word}/`)) found.push({ pid, words });
    } catch {
      // It ended while we looked.
    }
  }
  return found;
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length;
}

/** Kept on purpose: what the probe found holds until the machine boots again. */
const KEPT: readonly string[] = ['kvm-probe.json'];

async function leftBelow(folder: string): Promise<string[]> {
  if (!existsSync(folder)) return [];
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => !(entry.parentPath === folder && KEPT.includes(entry.name)))
    .map((entry) => {
      const kind = entry.isSocket() ? 'socket' : entry.isDirectory() ? 'folder' : 'file';
      return `${kind} ${join(entry.parentPath, entry.name)}`;
    });
}

/** Waits until the guest has said it on its serial port, in this run or an earlier one. */
export async function guestSays(
  driver: HostDriver,
  id: VmId,
  words: string | RegExp,
  timeoutMs = 25_000,
): Promise<string> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const said = Buffer.from((await driver.logs?.read(id, 'serial')) ?? []).toString('latin1');
    if (typeof words === 'string' ? said.includes(words) : words.test(said)) return said;
    if (end < Date.now()) throw new Error(`${id} did not say ${String(words)}; it said ${JSON.stringify(said)}`);
    await delay(20);
  }
}

/** The toy guest's boot counter, as it lies on its disk. Layout: hosts/guests/toy/toy.asm, "counter". */
export async function bootsOnDisk(image: string): Promise<number> {
  const disk = await readFile(image);
  return disk.subarray(15 * 512, 15 * 512 + 8).toString('latin1') === 'ORIELTOY' ? disk.readUInt32LE(15 * 512 + 8) : 0;
}

/** 0 where qemu-img finds nothing wrong, so that a test does not need to read its output. */
export function run(program: string, ...argv: readonly string[]): string {
  return execFileSync(program, argv, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}
