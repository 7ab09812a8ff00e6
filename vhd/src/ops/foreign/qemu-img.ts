/**
 * Running the tools of QEMU on what comes from elsewhere: with a list of arguments, without a shell, with absolute paths,
 * which they cannot take for options or protocols, and in a room where they see that one file. What leads to other files is
 * refused before they are started.
 */
import path from 'node:path';
import { MachineError, type RoomLimits, runInRoom } from '@oriel/machine';
import type { OperationOptions } from '../../copy/options.ts';
import { VhdError } from '../../errors.ts';
import type { ForeignFormat } from '../../formats/content.ts';
import { alignUp, SECTOR_BYTES } from '../../units.ts';
import { extentsBeside, otherFilesOf } from './other-files.ts';

/** What `qemu-img info --output=json` tells. */
interface QemuInfo {
  readonly 'virtual-size': number;
}

/** A file of a foreign format that is to be read. */
export interface ForeignSource extends OperationOptions {
  readonly format: ForeignFormat;
  /** A VMDK in pieces is read, too, where they lie beside it: for a file that a person has named. */
  readonly isInPieces?: boolean;
}

/**
 * The virtual size in whole sectors, and the files that hold the disk, the one that was asked for first. A file that leads
 * to others could make qemu-img read anything: it is refused. Errors: UNSUPPORTED, TOOL_MISSING, TOOL_FAILED, CANCELLED.
 */
export async function foreignSize(
  source: string,
  options: ForeignSource,
): Promise<{ readonly sizeBytes: number; readonly files: readonly string[] }> {
  const file = path.resolve(source);
  const [other] = await otherFilesOf(file, options.format);
  const isInPieces = options.isInPieces === true && options.format === 'vmdk';
  const pieces = other === undefined ? [] : isInPieces ? await extentsBeside(file) : undefined;
  if (pieces === undefined)
    throw new VhdError('UNSUPPORTED', `${source} takes data from another file, ${other}: flatten it first`);
  const files = [file, ...pieces];
  const args = ['info', '--output=json', '-f', options.format, '--', file];
  const text = await runTool('qemu-img', args, { reads: files, writes: [] }, options);
  return { sizeBytes: alignUp((JSON.parse(text) as QemuInfo)['virtual-size'], SECTOR_BYTES), files };
}

/** What a tool is handed. */
export interface Sight {
  readonly reads: readonly string[];
  /** Files that it writes, folders of sockets that it connects to or makes. */
  readonly writes: readonly string[];
  /** It writes a file, not only to a socket. */
  readonly isWriter?: boolean;
  /** Of the disk that is converted. */
  readonly sizeBytes?: number;
}

/** Slower than this is no conversion that still gets anywhere. */
const LEAST_BYTES_PER_SECOND = 1 << 20;
const LIMITS = { leastSeconds: 120, memoryBytes: 4 * 2 ** 30, outputBytes: 1 << 20 } as const;

function limitsFor({ isWriter = false, sizeBytes = 0 }: Sight): RoomLimits {
  const seconds = LIMITS.leastSeconds + Math.ceil(sizeBytes / LEAST_BYTES_PER_SECOND);
  const { memoryBytes, outputBytes } = LIMITS;
  // Of a sparse file with all its tables; nothing at all where it only reads.
  const fileBytes = isWriter ? 2 * sizeBytes + 2 ** 30 : 0;
  return { timeMs: seconds * 1000, cpuSeconds: seconds, memoryBytes, outputBytes, fileBytes };
}

/** Runs a tool and returns what it prints. Its progress (`-p`) is passed on. Errors: TOOL_MISSING, TOOL_FAILED, CANCELLED. */
export async function runTool(
  name: 'qemu-img' | 'qemu-nbd',
  args: readonly string[],
  sight: Sight,
  { signal, onProgress }: OperationOptions,
): Promise<string> {
  const { reads, writes, sizeBytes: totalBytes } = sight;
  const onOutput = (text: string): void => {
    const share = /\(([\d.]+)\/100%\)/.exec(text)?.[1];
    if (share !== undefined && totalBytes !== undefined)
      onProgress?.({ doneBytes: Math.floor((Number(share) / 100) * totalBytes), totalBytes });
  };
  try {
    const result = await runInRoom(name, args, { reads, writes, limits: limitsFor(sight), signal, onOutput });
    if (result.status === 0) return result.stdout;
    const complaint = result.stderr.trim().replaceAll('\n', '; ');
    throw new VhdError('TOOL_FAILED', `${name} ended with ${result.status ?? 'a signal'}: ${complaint}`);
  } catch (cause) {
    if (signal?.aborted === true) throw new VhdError('CANCELLED', 'stopped by the caller', { cause });
    if (!(cause instanceof MachineError)) throw cause;
    if (cause.code === 'TOOL_MISSING')
      throw new VhdError('TOOL_MISSING', `cannot start ${name}: is qemu-utils installed?`, { cause });
    throw new VhdError('TOOL_FAILED', cause.message, { cause });
  }
}
