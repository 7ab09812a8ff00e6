/**
 * Converts between raw files and VHD images, zeros left out on both ways. A differencing image is read through its
 * whole chain, so the result stands alone. Other formats go through qemu-img: see foreign.ts.
 */

import { randomUUID } from 'node:crypto';
import { openChain } from '../chain/open.ts';
import { atOnce } from '../copy/at-once.ts';
import type { FileSink } from '../copy/copy.ts';
import { copyDisk } from '../copy/copy.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import {
  contentOf,
  type ForeignFormat,
  formatByName,
  isForeign,
  isOtherThanNamed,
  nameOfFormat,
} from '../formats/content.ts';
import type { NativeFormat } from '../formats/format.ts';
import { targetOf } from '../formats/formats.ts';
import { openRawDisk } from '../formats/raw/raw-disk.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import type { FormatName } from '../image/image.ts';
import type { RandomAccessFile } from '../storage/file.ts';
import { writeNewFile } from '../storage/new-file.ts';
import type { Storage } from '../storage/storage.ts';
import { alignUp, formatSize, GIB, MIB } from '../units.ts';
import { checkUsage } from '../usage.ts';
import { seenThroughJournals } from './finish.ts';
import { atTarget, writeDevice } from './target.ts';

/** How a conversion is done. Sizes in bytes. */
export interface ConvertOptions extends OperationOptions {
  readonly to: NativeFormat;
  /** Bytes of a block of a dynamic image; 2 MiB when left out. */
  readonly blockBytes?: number;
  /** Makes what Azure takes: a fixed image of whole MiB, 20 MiB at least (quirk 20). Needs `to: 'fixed'`. */
  readonly isForAzure?: boolean;
  /** Takes the place of a file that is there. */
  readonly isReplacing?: boolean;
  /** The caller holds the lock of the target, and knows that nothing stands on it. */
  readonly isLocked?: boolean;
  /** As `OpenSourceOptions.isAlone`: on one core it writes by itself, too. */
  readonly isAlone?: boolean;
  readonly uuid?: string;
  readonly now?: Date;
}

/** Azure takes fixed images of these sizes (quirk 20). */
const AZURE = { minBytes: 20 * MIB, maxBytes: 32 * 1024 * GIB, stepBytes: MIB };

/** A file to read from. */
export interface OpenSourceOptions {
  readonly storage?: Storage;
  /** What the file is taken for; found out by its content when left out. `raw` takes any file as it is. */
  readonly format?: FormatName;
  /** Where parents of a differencing image may lie. */
  readonly policy?: ChainPolicy;
  /** Is told what the file is, where its name says something else. */
  readonly onNote?: (note: string) => void;
  /**
   * For a process that does nothing else: it reads by itself while threads write, and is not woken for each read. Others
   * would wait for a slow disk with it.
   */
  readonly isAlone?: boolean;
}

/**
 * Opens a VHD (with all its parents) or a raw file for reading. The caller closes it.
 * Errors: as `openChain` and `sourceFormat`; UNSUPPORTED for a format that goes through qemu-img.
 */
export async function openSource(name: string, options: OpenSourceOptions = {}): Promise<Disk> {
  checkUsage('openSource', { paths: { name }, options });
  const storage = storageOf(options);
  const format = options.format ?? sourceFormat(name, options);
  const isAlone = options.isAlone === true;
  if (format === 'raw') return openRawDisk(name, storage, { isAlone });
  if (format !== 'vhd') throw new VhdError('UNSUPPORTED', `${name} is ${nameOfFormat(format)}: convert it first`);
  const seen = await seenThroughJournals(name, { ...chainOptions(options), storage });
  const limits = isAlone ? { limits: { asyncBytes: Number.POSITIVE_INFINITY } } : {};
  return openChain(name, { ...chainOptions(options), storage: seen, ...limits });
}

/**
 * What a file is to be read as: its content decides, whatever its name says. Raw is what nothing recognizes, unless the
 * name is that of a format: its records are lost, and what is left of them would end up in the copy.
 * Errors: NOT_VHD, UNSUPPORTED (what has to be unpacked first), NOT_FOUND, IO.
 */
export function sourceFormat(
  name: string,
  options: Pick<OpenSourceOptions, 'storage' | 'onNote'>,
): FormatName | ForeignFormat {
  const content = contentOf(name, storageOf(options));
  const called = formatByName(name);
  if (content === 'raw') {
    if (called === undefined) return 'raw';
    const message = `${name} is called like ${nameOfFormat(called)} and has nothing of one: if it is a raw disk, say so (--from raw)`;
    throw new VhdError('NOT_VHD', message);
  }
  if (content !== 'vhd' && !isForeign(content)) {
    const message = `${name} is ${nameOfFormat(content)}: take the disk out of it first, or say --from raw for its bytes as they are`;
    throw new VhdError('UNSUPPORTED', message);
  }
  if (isOtherThanNamed(name, content)) options.onNote?.(`${name} is ${nameOfFormat(content)}, whatever its name says`);
  return content;
}

/**
 * Writes the content of a disk into a new file. The file appears when it is whole and on stable storage.
 * Errors: EXISTS, USAGE, TOO_LARGE, NO_SPACE, CANCELLED, IO.
 */
export async function convertDisk(source: Disk, target: string, options: ConvertOptions): Promise<void> {
  checkUsage('convertDisk', { disks: { source }, paths: { target }, options, needs: ['to'] });
  const storage = storageOf(options);
  const isReplacing = options.isReplacing ?? false;
  const sizeBytes = targetSize(source.sizeBytes, options);
  if (storage.stat(target)?.kind === 'device') {
    if (options.to !== 'raw') throw new VhdError('USAGE', `${target} is a block device: it takes raw bytes (--to raw)`);
    return writeDevice(source, target, { ...options, storage, isReplacing });
  }
  const make = (): Promise<void> =>
    writeNewFile(target, { storage, isReplacing }, async (file) => {
      const sink = sinkFor(options.isAlone === true ? atOnce(file) : file, options);
      await copyDisk(source, sink, options);
      await sink.finish(sizeBytes);
    });
  return options.isLocked === true ? make() : atTarget(target, { storage, isReplacing }, make);
}

/** The sink for a format. */
export function sinkFor(
  file: RandomAccessFile,
  options: Pick<ConvertOptions, 'to' | 'blockBytes' | 'uuid' | 'now'>,
): FileSink {
  return targetOf(options.to).sink(file, {
    identity: options.uuid ?? randomUUID(),
    now: options.now ?? new Date(),
    ...(options.blockBytes === undefined ? {} : { blockBytes: options.blockBytes }),
  });
}

/** Virtual size of the result: the source's, rounded up for Azure (quirk 20). Errors: USAGE, TOO_LARGE. */
export function targetSize(
  sizeBytes: number,
  options: Pick<ConvertOptions, 'to' | 'isForAzure' | 'blockBytes'>,
): number {
  if (options.isForAzure !== true) {
    assertFits(sizeBytes, options);
    return sizeBytes;
  }
  if (options.to !== 'fixed') throw new VhdError('USAGE', 'Azure takes fixed images only');
  const size = alignUp(Math.max(sizeBytes, AZURE.minBytes), AZURE.stepBytes);
  if (AZURE.maxBytes < size)
    throw new VhdError('TOO_LARGE', `Azure takes at most ${formatSize(AZURE.maxBytes)}, not ${formatSize(size)}`);
  return size;
}

/** A result that cannot be is refused before anything is copied. Errors: USAGE, TOO_LARGE. */
function assertFits(sizeBytes: number, { to, blockBytes }: Pick<ConvertOptions, 'to' | 'blockBytes'>): void {
  if (to === 'raw') return;
  const block = blockBytes === undefined ? {} : { blockBytes };
  targetOf(to).newImage(sizeBytes, { identity: NIL_IDENTITY, now: new Date(0), ...block });
}
