/** A fixed image: the content of the disk, then the footer. Spec: "Fixed Hard Disk Image". */
import { VhdError } from '../../errors.ts';
import type { OpenFinding } from '../../image/finding.ts';
import { WholeImage } from '../../image/whole-image.ts';
import type { RandomAccessFile } from '../../storage/file.ts';
import { detailsOf } from './details.ts';
import type { FooterReading } from './image-metadata.ts';

/** Opens a fixed image. Errors: DAMAGED where the file is shorter than the disk. */
export function openFixedImage(
  file: RandomAccessFile,
  { footer, endBytes }: FooterReading,
  findings: readonly OpenFinding[],
): WholeImage {
  const sizeBytes = footer.currentSizeBytes;
  if (endBytes < sizeBytes) {
    throw new VhdError('DAMAGED', `${file.path} holds ${endBytes} bytes of a fixed disk of ${sizeBytes}`);
  }
  return new WholeImage(file, {
    format: 'vhd',
    identity: footer.uuid,
    sizeBytes,
    findings,
    details: detailsOf(footer),
  });
}
