/**
 * Cylinders, heads, sectors. Spec: "CHS Calculation" in the appendix. Never authoritative here (quirk 7): every image
 * we read has the size its footer states; the geometry is for old guests and for readers that go by it.
 */
import type { Geometry } from '../../../image/image-details.ts';
import { SECTOR_BYTES } from '../../../units.ts';

/** The largest geometry; readers that go by CHS switch to the stated size when they see it. */
export const MAX_GEOMETRY: Geometry = { cylinders: 65_535, heads: 16, sectorsPerTrack: 255 };

/** Geometry for a size in bytes, as the specification computes it: cylinders are rounded down, so it may describe less. */
export function geometryFor(sizeBytes: number): Geometry {
  const max = MAX_GEOMETRY.cylinders * MAX_GEOMETRY.heads * MAX_GEOMETRY.sectorsPerTrack;
  const sectors = Math.min(Math.floor(sizeBytes / SECTOR_BYTES), max);
  let sectorsPerTrack = 255;
  let heads = 16;
  let tracks = Math.floor(sectors / sectorsPerTrack);
  if (sectors < 65_535 * 16 * 63) {
    sectorsPerTrack = 17;
    tracks = Math.floor(sectors / sectorsPerTrack);
    heads = Math.max(4, Math.floor((tracks + 1023) / 1024));
    if (heads * 1024 <= tracks || 16 < heads) {
      sectorsPerTrack = 31;
      heads = 16;
      tracks = Math.floor(sectors / sectorsPerTrack);
    }
    if (heads * 1024 <= tracks) {
      sectorsPerTrack = 63;
      heads = 16;
      tracks = Math.floor(sectors / sectorsPerTrack);
    }
  }
  return { cylinders: Math.floor(tracks / heads), heads, sectorsPerTrack };
}

/** The bytes a geometry describes. */
export function geometryBytes(geometry: Geometry): number {
  return geometry.cylinders * geometry.heads * geometry.sectorsPerTrack * SECTOR_BYTES;
}
