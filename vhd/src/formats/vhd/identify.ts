/** Another identity for an image: its footers. Children name the old one, so they have to be linked anew. Spec: "Unique ID". */
import type { RandomAccessFile } from '../../storage/file.ts';
import type { ImagePatch } from '../format.ts';
import { encodeFooter, FOOTER_BYTES } from './codec/footer.ts';
import { readFooter } from './image-metadata.ts';

/** The footers with another identity. Errors: NOT_VHD, FOOTER_*, USAGE for an identity that is none. */
export function identityPatch(file: RandomAccessFile, becomes: string): ImagePatch & { readonly becomes: string } {
  const { footer, endBytes } = readFooter(file);
  const bytes = encodeFooter({ ...footer, uuid: becomes, isShort: false });
  const parts = [{ offset: endBytes, bytes }];
  if (footer.diskType !== 'fixed') parts.push({ offset: 0, bytes });
  return { identity: footer.uuid, becomes, parts, sizeBytes: endBytes + FOOTER_BYTES };
}
