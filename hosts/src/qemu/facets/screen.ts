/**
 * Screenshots and keys. BOUNDED: one capture of a size at a time per VM, and a young picture is given again instead of a new one.
 */
import { readFile, rm, stat } from 'node:fs/promises';
import type { CallOptions, Screenshot, ShotOptions } from '../../driver.ts';
import { HostError, toHostError } from '../../errors.ts';
import { decodePpm, encodePng, shrunk } from '../../picture.ts';
import { dialUnix, signalOf } from '../qmp/client.ts';
import type { QemuVm } from '../vm/vm.ts';
import { RESIZE_LIMITS, requestSize } from './rfb-resize.ts';

export const SCREEN_LIMITS = {
  maxAgeMs: 1_000,
  minAgeMs: 100,
  /** Of a picture as QEMU writes it: 3840 by 2160 pixels are 24 MiB. */
  fileBytes: 33_554_432,
  /** Widths that are remembered for each VM. */
  sizes: 4,
  chords: 64,
  keysPerChord: 8,
} as const;

/** Pictures of one VM, by the width that was asked for. */
type Latest = Map<number | undefined, Promise<Screenshot>>;

export class Screens {
  readonly #latest = new WeakMap<QemuVm, Latest>();

  async shot(vm: QemuVm, options: ShotOptions = {}): Promise<Screenshot> {
    const { maxWidth } = options;
    const maxAgeMs = Math.max(SCREEN_LIMITS.minAgeMs, options.maxAgeMs ?? SCREEN_LIMITS.maxAgeMs);
    const ofVm: Latest = this.#latest.get(vm) ?? new Map<number | undefined, Promise<Screenshot>>();
    this.#latest.set(vm, ofVm);
    const latest = ofVm.get(maxWidth);
    if (latest !== undefined) {
      const known = await latest.catch(() => undefined);
      if (known !== undefined && vm.host.now() - known.takenAt < maxAgeMs) return known;
      // Somebody else may have begun a new one while we looked.
      const newer = ofVm.get(maxWidth);
      if (newer !== undefined && newer !== latest) return newer;
    }
    const capture = maxWidth === undefined ? takeShot(vm) : takeSmallShot(vm, maxWidth);
    ofVm.set(maxWidth, capture);
    if (SCREEN_LIMITS.sizes < ofVm.size) ofVm.delete(ofVm.keys().next().value);
    return capture;
  }
}

async function takeShot(vm: QemuVm): Promise<Screenshot> {
  const { takenAt, bytes } = await dump(vm, vm.paths.shot, 'png');
  return { png: bytes, ...sizeOfPng(bytes), takenAt };
}

/** From plain pixels: QEMU would pack a whole screen, in its main loop, for us to unpack it. */
async function takeSmallShot(vm: QemuVm, maxWidth: number): Promise<Screenshot> {
  const { takenAt, bytes } = await dump(vm, vm.paths.smallShot, 'ppm');
  const small = shrunk(decodePpm(bytes), maxWidth);
  return { png: encodePng(small), width: small.width, height: small.height, takenAt };
}

async function dump(
  vm: QemuVm,
  filename: string,
  format: 'png' | 'ppm',
): Promise<{ readonly takenAt: number; readonly bytes: Uint8Array }> {
  const qmp = vm.connection('see');
  if (vm.process?.spec.video === 'none') throw new HostError('SCREEN_UNAVAILABLE', `${vm.id} has no screen`);
  const takenAt = vm.host.now();
  try {
    await qmp.execute('screendump', { filename, format }, { timeoutMs: vm.host.timing.shotMs });
    const { size } = await stat(filename);
    if (SCREEN_LIMITS.fileBytes < size) throw new HostError('SCREEN_UNAVAILABLE', `a picture of ${size} bytes`);
    return { takenAt, bytes: await readFile(filename) };
  } catch (error) {
    throw toHostError(error, 'SCREEN_UNAVAILABLE', `cannot see the screen of ${vm.id}`);
  } finally {
    await rm(filename, { force: true });
  }
}

/** PNG specification, section 5.6: IHDR is the first chunk, its width and height at bytes 16 and 20. */
export function sizeOfPng(png: Uint8Array): { readonly width: number; readonly height: number } {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  if (png.byteLength < 24 || view.getUint32(0) !== 0x89504e47)
    throw new HostError('SCREEN_UNAVAILABLE', 'QEMU wrote no PNG');
  return { width: view.getUint32(16), height: view.getUint32(20) };
}

const KEY = /^[a-z0-9_]{1,20}$/;

export async function pressKeys(
  vm: QemuVm,
  chords: readonly (readonly string[])[],
  options: CallOptions = {},
): Promise<void> {
  if (SCREEN_LIMITS.chords < chords.length)
    throw new HostError('HOST_LIMIT', `${chords.length} chords, at most ${SCREEN_LIMITS.chords}`);
  for (const chord of chords) {
    const bad = chord.find((key) => !KEY.test(key));
    if (bad !== undefined || chord.length < 1 || SCREEN_LIMITS.keysPerChord < chord.length) {
      throw new HostError('SPEC_INVALID', `keys ${JSON.stringify(chord)} are not QEMU key codes`);
    }
  }
  const qmp = vm.connection('press keys of');
  for (const chord of chords) {
    options.signal?.throwIfAborted();
    await qmp.execute('send-key', { keys: chord.map((data) => ({ type: 'qcode' as const, data })), 'hold-time': 20 });
    // QEMU lets go of the keys on its own clock; the next chord must not run into this one.
    await new Promise((resolve) => setTimeout(resolve, 40));
  }
}

/** Resolves once the guest has been told; whether it follows is up to its driver. */
export async function resizeScreen(
  vm: QemuVm,
  width: number,
  height: number,
  options: CallOptions = {},
): Promise<void> {
  for (const side of [width, height]) {
    if (!Number.isInteger(side) || side < 1 || RESIZE_LIMITS.side < side) {
      throw new HostError('SPEC_INVALID', `a screen of ${width} by ${height}`);
    }
  }
  vm.connection('resize the screen of');
  if (vm.process?.spec.video !== 'virtio')
    throw new HostError('SCREEN_UNAVAILABLE', `the video card of ${vm.id} has no sizes to choose from`);
  const socket = await dialUnix(vm.paths.vnc, { timeoutMs: vm.host.timing.connectMs, ...signalOf(options) });
  try {
    const status = await requestSize(socket, width, height);
    if (status !== 0 && status !== 4)
      throw new HostError('SCREEN_UNAVAILABLE', `QEMU refuses ${width} by ${height} for ${vm.id} (status ${status})`);
  } finally {
    socket.destroy();
  }
}
