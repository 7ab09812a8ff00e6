/** Disc images for CD drives: plain files in one folder, by their names. */
import { lstatSync } from 'node:fs';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';

/** The id of a disc is its file name; nothing but a plain file in the folder of discs will do. Errors: UNPROCESSABLE. */
export function discUri(folder: string, imageId: string): string {
  const file = path.join(folder, imageId);
  const isPlain =
    /^[A-Za-z0-9][A-Za-z0-9._ +-]{0,127}$/.test(imageId) &&
    lstatSync(file, { throwIfNoEntry: false })?.isFile() === true;
  if (!isPlain) throw new GatewayError('UNPROCESSABLE', `no disc image ${imageId} in the folder of discs`);
  return `file://${file.split('/').map(encodeURIComponent).join('/')}`;
}
