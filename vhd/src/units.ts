/** Units of the VHD format and the limits that follow from them. A suffix in every name says the unit. */
import { VhdError } from './errors.ts';

/** The sector of the VHD format. Always 512, whatever the storage says. */
export const SECTOR_BYTES = 512;
export const KIB = 1024;
export const MIB: number = 1024 * KIB;
export const GIB: number = 1024 * MIB;

/** Limits of the format and of this library. Each has a test that crosses it. */
export const LIMITS: Limits = {
  dynamicDiskBytes: 2040 * GIB,
  fixedDiskBytes: 32 * 1024 * GIB,
  blockOffsetBytes: 2 ** 32 * SECTOR_BYTES,
  minBlockBytes: 512 * KIB,
  maxBlockBytes: 16 * MIB,
  batEntries: 2 ** 22 + 1,
  locatorBytes: 64 * KIB,
};

/** What each limit bounds. */
export interface Limits {
  /** Largest dynamic or differencing disk: 2040 GiB, the limit of Hyper-V and of qemu (quirk 8). */
  readonly dynamicDiskBytes: number;
  /** Largest fixed disk: what Azure takes. */
  readonly fixedDiskBytes: number;
  /** BAT entries are u32 sectors: no block can start at or behind this file offset (quirk 8). */
  readonly blockOffsetBytes: number;
  /** Block sizes that are read. */
  readonly minBlockBytes: number;
  readonly maxBlockBytes: number;
  /** BAT entries that are read: 2 TiB at the smallest block size, and one for sparse streams that add one. */
  readonly batEntries: number;
  /** Bytes of one parent locator that are read. */
  readonly locatorBytes: number;
}

/** The smallest multiple of `step` that is not below `n`. */
export const alignUp = (n: number, step: number): number => Math.ceil(n / step) * step;
/** The largest multiple of `step` that is not above `n`. */
export const alignDown = (n: number, step: number): number => Math.floor(n / step) * step;

/** Reads a size as people write it: `512`, `64K`, `40G`, `1.5T` (powers of 1024; `GiB` and `GB` mean the same). Errors: USAGE. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?$/i.exec(String(text).trim());
  if (match === null) throw new VhdError('USAGE', `not a size: ${JSON.stringify(text)} (write 512, 64K, 40G or 1.5T)`);
  const power = match[2] === undefined ? 0 : 'kmgt'.indexOf(match[2].toLowerCase()) + 1;
  const bytes = Number(match[1]) * 1024 ** power;
  if (!Number.isSafeInteger(bytes)) throw new VhdError('USAGE', `not a whole number of bytes: ${JSON.stringify(text)}`);
  return bytes;
}

/** Writes a size for people: `40 GiB`, `1.5 MiB`, `512 B`; whole numbers where there are: 2041 GiB and not 1.99 TiB. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let unit = 0;
  while (1024 ** (unit + 1) <= bytes && unit < units.length - 1) unit++;
  const value = bytes / 1024 ** unit;
  const below = bytes / 1024 ** (unit - 1);
  if (!Number.isInteger(value * 100) && 0 < unit && Number.isInteger(below)) return `${below} ${units[unit - 1]}`;
  return `${Number.isInteger(value) ? value : value.toFixed(2)} ${units[unit]}`;
}
