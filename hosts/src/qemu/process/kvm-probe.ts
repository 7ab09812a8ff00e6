/**
 * Does KVM really run a guest here? `/dev/kvm` can exist, run a few instructions and hang in the firmware, so a whole guest
 * is run on it: firmware, a boot sector from a disk, a timer interrupt, and the end through the debug exit port. Cached for this boot of the machine. Spec: QEMU hw/misc/debugexit.c.
 */
import { access, constants, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { bootId, readRecord, writeRecord } from '@oriel/machine';
import type { Accelerator } from '../../driver.ts';
import { killProcess, startDetached } from './process.ts';

export type Engine = Accelerator & { readonly name: 'kvm' | 'tcg' };

export interface ProbeRequest {
  readonly binary: string;
  readonly version: string;
  readonly runDir: string;
  readonly timeoutMs: number;
}

/** SeaBIOS sees no cylinders in a disk smaller than this. */
const DISK_BYTES = 1_048_576;
const DEBUG_EXIT_PORT = 0xf4;
/** sti; hlt (until the timer ticks); mov al, 0x10; out 0xf4, al; hlt */
const GUEST = [0xfb, 0xf4, 0xb0, 0x10, 0xe6, DEBUG_EXIT_PORT, 0xf4];
/** isa-debug-exit ends QEMU with (value << 1) | 1. */
const EXIT_STATUS = (0x10 << 1) | 1;

export async function probeKvm(request: ProbeRequest): Promise<Engine> {
  const cachePath = join(request.runDir, 'kvm-probe.json');
  const key = { version: 1, bootId: bootId(), binary: request.binary, qemu: request.version } as const;
  const cached = await readCache(cachePath, key);
  if (cached !== undefined) return cached;
  const engine = await runProbe(request, '/dev/kvm', ['-accel', 'kvm', '-cpu', 'host']);
  await mkdir(request.runDir, { recursive: true, mode: 0o700 });
  await writeRecord(cachePath, { ...key, engine }, { isSynced: false });
  return engine;
}

/** Separate so that a test can run the same guest on TCG and see it end. */
export async function runProbe(request: ProbeRequest, device: string, accel: readonly string[]): Promise<Engine> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ENOENT';
    return { name: 'tcg', reason: missing ? `${device} does not exist` : `${device} may not be opened by this user` };
  }
  await mkdir(request.runDir, { recursive: true, mode: 0o700 });
  const image = join(request.runDir, `kvm-probe.${process.pid}.raw`);
  const log = join(request.runDir, `kvm-probe.${process.pid}.log`);
  try {
    const disk = Buffer.alloc(DISK_BYTES);
    Buffer.from(GUEST).copy(disk);
    disk.writeUInt16LE(0xaa55, 510);
    await writeFile(image, disk, { mode: 0o600 });
    const status = await runToExit(request, [...accel, ...probeArgs(image)], log);
    if (status === EXIT_STATUS) return { name: 'kvm', reason: 'a probe guest ran on KVM' };
    if (status === undefined) {
      return {
        name: 'tcg',
        reason: `${device} is there, but a probe guest did not end on it within ${request.timeoutMs} ms`,
      };
    }
    const words = (await readFile(log, 'utf8').catch(() => '')).trim().split('\n').at(-1) ?? '';
    return { name: 'tcg', reason: `${device} is there, but QEMU cannot use it: ${words.slice(0, 200)}` };
  } finally {
    await Promise.all([rm(image, { force: true }), rm(log, { force: true })]);
  }
}

function probeArgs(image: string): readonly string[] {
  const disk = { driver: 'raw', 'node-name': 'disk', 'read-only': true, file: { driver: 'file', filename: image } };
  const sandbox = 'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny';
  const words = `-nodefaults -no-user-config -sandbox ${sandbox} -display none -machine pc -m 16 -boot strict=on`.split(
    ' ',
  );
  const drive = { driver: 'virtio-blk-pci', drive: 'disk', bootindex: 1 };
  const exit = { driver: 'isa-debug-exit', iobase: DEBUG_EXIT_PORT, iosize: 1 };
  return words.concat(
    '-blockdev',
    JSON.stringify(disk),
    '-device',
    JSON.stringify(drive),
    '-device',
    JSON.stringify(exit),
  );
}

/** The exit status; undefined where the time was up. */
async function runToExit(request: ProbeRequest, argv: readonly string[], log: string): Promise<number | undefined> {
  const { child, ref } = await startDetached(request.binary, argv, log);
  child.ref(); // Unlike a VM's, its end is waited for.
  const exited = new Promise<number | undefined>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), request.timeoutMs);
  });
  try {
    return await Promise.race([exited, timeout]);
  } finally {
    clearTimeout(timer);
    if (ref !== undefined) await killProcess(ref, request.timeoutMs);
    await exited;
  }
}

async function readCache(path: string, key: Record<string, unknown>): Promise<Engine | undefined> {
  try {
    const cached = (await readRecord(path)) as (Record<string, unknown> & { engine?: Engine }) | undefined;
    if (cached === undefined) return undefined;
    if (Object.entries(key).some(([field, value]) => cached[field] !== value)) return undefined;
    return cached.engine?.name === 'kvm' || cached.engine?.name === 'tcg' ? cached.engine : undefined;
  } catch {
    return undefined;
  }
}
