/**
 * The one way in for verbs that only read what a disk contains: whatever the file is, by its content. Nothing that is
 * recognized as something else is read as a raw disk; `from` says otherwise.
 */
import type { OperationOptions } from '../../copy/options.ts';
import type { Disk } from '../../disk.ts';
import { type ContentFormat, type ForeignFormat, isForeign } from '../../formats/content.ts';
import type { ChainPolicy } from '../../image/chain-policy.ts';
import type { FormatName } from '../../image/image.ts';
import { checkUsage } from '../../usage.ts';
import { openSource, sourceFormat } from '../convert.ts';
import { openForeignDisk } from './foreign-disk.ts';

/** What a source may be said to be. */
export type SourceFormat = FormatName | ForeignFormat;

/** Their names. */
export const SOURCE_FORMATS: readonly SourceFormat[] = [
  'raw',
  'vhd',
  'qcow2',
  'vmdk',
  'vhdx',
  'vdi',
  'qcow',
  'qed',
  'parallels',
];

/** How a file is opened for reading. */
export interface OpenAnyOptions extends OperationOptions {
  /** What the file is taken for; its content says so when left out. */
  readonly from?: SourceFormat;
  readonly policy?: ChainPolicy;
  /** As `ForeignSource.isInPieces`. */
  readonly isInPieces?: boolean;
  /** Is told what the file is, where its name says something else. */
  readonly onNote?: (note: string) => void;
}

/**
 * Opens a file of any format that can be read. The caller closes it. Errors: those of `openSource` and
 * `openForeignDisk`; UNSUPPORTED for what has to be unpacked first.
 */
export async function openAnySource(name: string, options: OpenAnyOptions = {}): Promise<Disk> {
  checkUsage('openAnySource', { paths: { name }, options });
  const format: ContentFormat = options.from ?? sourceFormat(name, options);
  if (isForeign(format)) return openForeignDisk(name, format, options);
  return openSource(name, { ...options, format });
}
