/** A disk with zeros behind its end, for results that have to be larger than what they are made from. */
import type { Disk, Extent } from '../disk.ts';
import { VhdError } from '../errors.ts';

/** The same disk with another, larger size in bytes; read-only. Closing it is for who opened the disk itself. */
export function enlargedDisk(disk: Disk, sizeBytes: number): Disk {
  const refuse = (): Promise<void> => Promise.reject(new VhdError('READ_ONLY', `${disk.name} is only read here`));
  return {
    name: disk.name,
    sizeBytes,
    isReadOnly: true,
    async read(into, offset, start = 0, length = into.byteLength - start) {
      const inside = Math.max(0, Math.min(length, disk.sizeBytes - offset));
      if (0 < inside) await disk.read(into, offset, start, inside);
      into.fill(0, start + inside, start + length);
    },
    async extents(offset, length, limit) {
      const inside = Math.max(0, Math.min(length, disk.sizeBytes - offset));
      const found: Extent[] = 0 < inside ? [...(await disk.extents(offset, inside, limit))] : [];
      const last = found.at(-1);
      const end = last === undefined ? offset : last.offset + last.length;
      if (disk.sizeBytes <= end && end < offset + length)
        found.push({ offset: end, length: offset + length - end, isAllocated: false, isZero: true });
      return found;
    },
    write: refuse,
    writeZeroes: refuse,
    trim: refuse,
    flush: () => disk.flush(),
    close: async () => undefined,
  };
}
