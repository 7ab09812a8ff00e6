/** What is worth knowing about any file: an image of ours, or what else it is by its content. */
import { storageOf } from '../../copy/options.ts';
import { type ContentFormat, contentOf, formatByName, isForeign } from '../../formats/content.ts';
import { type ImageInfo, type InfoOptions, imageInfo } from '../info.ts';
import { foreignSize } from './qemu-img.ts';

/** A file that is no image of ours. Sizes in bytes. */
export interface OtherInfo {
  readonly path: string;
  readonly format: ContentFormat;
  readonly type: ContentFormat;
  /** Of disks that qemu-img reads. */
  readonly virtualBytes?: number;
  readonly fileBytes: number;
  readonly storedBytes: number;
}

/** What a file is. Errors: as `openImage`; for a foreign disk TOOL_MISSING, TOOL_FAILED, UNSUPPORTED. */
export async function anyInfo(
  name: string,
  options: InfoOptions & { readonly isInPieces?: boolean } = {},
): Promise<ImageInfo | OtherInfo> {
  const storage = storageOf(options);
  const format = contentOf(name, storage);
  if (format === 'raw' && formatByName(name) === undefined) return imageInfo(name, { ...options, format });
  if (format === 'vhd' || format === 'raw') return imageInfo(name, options); // Raw with the name of an image is refused.
  const stat = storage.stat(name);
  const size = isForeign(format) ? { virtualBytes: (await foreignSize(name, { ...options, format })).sizeBytes } : {};
  return {
    path: name,
    format,
    type: format,
    ...size,
    fileBytes: stat?.sizeBytes ?? 0,
    storedBytes: stat?.storedBytes ?? 0,
  };
}
