/** What the footer of a VHD tells about it. */
import type { ImageDetails } from '../../image/image-details.ts';
import { type Footer, qemuSizeBytes } from './codec/footer.ts';
import { dateOf } from './codec/time.ts';

/** Details that every VHD has. */
export function detailsOf(footer: Footer): ImageDetails {
  return {
    type: footer.diskType,
    qemuBytes: qemuSizeBytes(footer),
    createdAt: dateOf(footer.timestampSeconds).toISOString(),
    creator: footer.creatorApp,
    creatorVersion: `${footer.creatorVersion >>> 16}.${footer.creatorVersion & 0xffff}`,
    geometry: footer.geometry,
  };
}
