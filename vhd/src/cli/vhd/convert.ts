/** `oriel vhd convert` and `export`: the content of a disk in another format, as a file or as a stream. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Command } from 'commander';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { type ForeignFormat, isForeign } from '../../formats/content.ts';
import type { NativeFormat } from '../../formats/format.ts';
import { serveNbd } from '../../nbd/server.ts';
import { type ConvertOptions, convertDisk, openSource, sourceFormat, targetSize } from '../../ops/convert.ts';
import { convertFromForeign, convertToForeign, FOREIGN_FORMATS, type ServeDisk } from '../../ops/foreign/foreign.ts';
import { openAnySource } from '../../ops/foreign/source.ts';
import { refuseFooter, sniff } from '../../ops/incoming.ts';
import { receiveDisk } from '../../ops/receive.ts';
import { exportStream } from '../../ops/stream.ts';
import { atTarget } from '../../ops/target.ts';
import { fileError } from '../../storage/file.ts';
import { placeOf } from '../../storage/new-file.ts';
import { fileSystem } from '../../storage/storage.ts';
import { removeAtExit, temporaryName } from '../../storage/temporary.ts';
import { action, oneOf, type Run, size, type VhdCli, verb } from '../base/cli.ts';
import { tellLost } from './lost.ts';
import { fromOption, type SourceFlags, sourceOptions } from './source.ts';

type Format = NativeFormat | ForeignFormat;
const TARGETS: readonly Format[] = ['raw', 'fixed', 'dynamic', ...FOREIGN_FORMATS];

interface Flags extends SourceFlags {
  readonly to?: Format;
  readonly azure?: boolean;
  readonly blockSize?: number;
  readonly force?: boolean;
}

const serve: ServeDisk = (disk, socketPath) => serveNbd(disk, { socketPath });

export function convertVerb(cli: VhdCli): Command {
  const command = verb('convert', 'convert between raw, VHD and other formats', 'oriel vhd convert disk.raw disk.vhd');
  command.argument('<source>', 'a file, or - for standard input');
  command.argument('<target>', 'a file, or - for standard output');
  fromOption(command);
  command.option(
    '--to <format>',
    `format of the target: ${TARGETS.join(', ')}; by its name when left out`,
    oneOf(TARGETS),
  );
  command.option('--azure', 'write what Azure takes: fixed, whole MiB');
  command.option('--block-size <size>', 'bytes of a block of a dynamic image', size);
  command.option('--force', 'replace a file that is there');
  return action<Flags>(cli, command, async (run, [source = '', target = ''], flags) => {
    const to = flags.to ?? (flags.azure === true ? 'fixed' : formatByName(target));
    const ends = [isStandard(source, 0) ? '-' : source, isStandard(target, 1) ? '-' : target] as const;
    await convert(run, ...ends, { ...flags, to });
    if (!isStream(ends[1])) run.print({ source, target, format: to }, () => [`${target}: ${to}`]);
  });
}

export function exportVerb(cli: VhdCli): Command {
  const command = verb(
    'export',
    'send the flattened chain as a stream of a known length',
    'oriel vhd export disk.vhd - --format dynamic > flat.vhd',
  );
  command.argument('<file>');
  command.argument('<target>', '- for standard output');
  command.option('--format <format>', 'raw, fixed or dynamic', oneOf(['raw', 'fixed', 'dynamic']), 'raw');
  fromOption(command);
  return action<SourceFlags & { readonly format: NativeFormat }>(
    cli,
    command,
    async (run, [file = '', target = ''], flags) => {
      if (target !== '-') throw new VhdError('USAGE', 'export writes to standard output: give -');
      const disk = await openAnySource(file, sourceOptions(run, flags));
      try {
        await send(run, disk, flags.format, target, {});
        tellLost(cli, disk);
      } finally {
        await disk.close();
      }
    },
  );
}

async function convert(
  run: Run,
  source: string,
  target: string,
  flags: Flags & { readonly to: Format },
): Promise<void> {
  const { from, to } = flags;
  if (flags.azure === true && to !== 'fixed') throw new VhdError('USAGE', 'Azure takes fixed images only');
  if (source === '-') return receive(run, target, flags);
  const format = from ?? sourceFormat(source, sourceOptions(run, flags));
  if (isForeign(format)) return fromForeign(run, source, target, format, flags);
  const disk = await openSource(source, { ...run.options, format, isAlone: true });
  try {
    if (isForeign(to)) await toForeign(run, disk, target, to, flags);
    else if (isStream(target)) await send(run, disk, to, target, flags);
    else await convertDisk(disk, target, { ...nativeOptions(run, to, flags), isAlone: true });
    tellLost(run.cli, disk);
  } finally {
    await disk.close();
  }
}

async function receive(run: Run, target: string, flags: Flags & { readonly to: Format }): Promise<void> {
  if (target === '-' || isForeign(flags.to))
    throw new VhdError('USAGE', 'standard input goes into a raw or a VHD file');
  const { content, chunks } = await sniff(standardInput(run));
  const from = flags.from ?? content;
  if (from === 'raw') {
    const bytes = flags.from === undefined ? refuseFooter(chunks) : chunks;
    return receiveDisk(bytes, target, nativeOptions(run, flags.to, flags));
  }
  // All others are read from places all over the file: it has to be there whole.
  const whole = temporaryName(target);
  const isDone = removeAtExit(whole);
  try {
    await fs.promises.writeFile(whole, chunks, { flag: 'wx' });
    await convert(run, whole, target, flags);
  } finally {
    fs.rmSync(whole, { force: true });
    isDone();
  }
}

/** Its bytes; a signal ends the wait for more. */
function standardInput({ cli, options }: Run): AsyncIterable<Uint8Array> {
  const stdin = cli.stdin as NodeJS.ReadableStream & { destroy(error?: Error): void } & AsyncIterable<Uint8Array>;
  const stop = (): void =>
    stdin.destroy(new VhdError('CANCELLED', 'stopped by the caller', { cause: options.signal.reason }));
  options.signal.addEventListener('abort', stop, { once: true });
  return stdin;
}

async function toForeign(run: Run, disk: Disk, target: string, format: ForeignFormat, flags: Flags): Promise<void> {
  if (isStream(target)) throw new VhdError('USAGE', `${format} cannot be written to standard output or a pipe`);
  await convertToForeign(disk, target, { ...run.options, format, serve, isReplacing: flags.force === true });
}

/** Through a dynamic image, from which every other format can be made. */
async function fromForeign(
  run: Run,
  source: string,
  target: string,
  format: ForeignFormat,
  flags: Flags & { readonly to: Format },
): Promise<void> {
  if (!isStream(target) && flags.force !== true && fs.existsSync(target))
    throw new VhdError('EXISTS', `${target} is there already; --force replaces it`);
  const folder = isStream(target) || fileSystem.stat(target)?.kind === 'device' ? os.tmpdir() : path.dirname(target);
  const image = `${temporaryName(path.join(folder, path.basename(source)))}.vhd`;
  const isDone = removeAtExit(image);
  try {
    const block = flags.blockSize === undefined ? {} : { blockBytes: flags.blockSize };
    await convertFromForeign(source, image, { ...run.options, format, serve, isInPieces: true, ...block });
    if (flags.to === 'dynamic' && !isStream(target)) {
      const at = { storage: fileSystem, isReplacing: flags.force === true };
      await atTarget(target, at, async () => fileSystem.rename(image, placeOf(target, fileSystem)));
    } else await convert(run, image, target, { ...flags, from: 'vhd' });
  } finally {
    fs.rmSync(image, { force: true });
    isDone();
  }
}

/** Sends a disk to standard output, or to a pipe or a device of characters that has a name. */
async function send(run: Run, disk: Disk, to: NativeFormat, target: string, flags: Flags): Promise<void> {
  const { blockSize } = flags;
  const stream = await exportStream(disk, {
    ...run.options,
    to,
    sizeBytes: targetSize(disk.sizeBytes, nativeOptions(run, to, flags)),
    ...(blockSize === undefined ? {} : { blockBytes: blockSize }),
  });
  const out: NodeJS.WritableStream = target === '-' ? run.cli.stdout : fs.createWriteStream(target);
  let failure: Error | undefined;
  out.on('error', (error: Error) => (failure = error));
  for await (const chunk of stream.chunks) {
    // The buffer is used again for a later chunk: wait until this one is written.
    await new Promise<void>((resolve, reject) => {
      out.write(chunk, (error) =>
        error === null || error === undefined ? resolve() : reject(writeFailed(error, target)),
      );
    });
  }
  if (target === '-') return;
  await new Promise<void>((resolve) => out.end(() => resolve()));
  if (failure !== undefined) throw writeFailed(failure, target);
}

function writeFailed(cause: Error, target: string): VhdError {
  return fileError(cause, `cannot write to ${target === '-' ? 'standard output' : target}`);
}

/** True for another name of standard input (0) or output (1), where that is a pipe; a file behind it is a file. */
function isStandard(name: string, descriptor: number): boolean {
  const names = [['/dev/stdin'], ['/dev/stdout']][descriptor] ?? [];
  const isNamed = [...names, `/dev/fd/${descriptor}`, `/proc/self/fd/${descriptor}`].includes(name);
  return isNamed && (descriptor === 1 || fileSystem.stat(name)?.kind === 'stream');
}

/** True for a target that takes bytes from its start to its end. */
function isStream(target: string): boolean {
  return target === '-' || fileSystem.stat(target)?.kind === 'stream';
}

function nativeOptions(run: Run, to: NativeFormat, flags: Flags): ConvertOptions {
  const block = flags.blockSize === undefined ? {} : { blockBytes: flags.blockSize };
  return { ...run.options, to, ...block, isForAzure: flags.azure === true, isReplacing: flags.force === true };
}

function foreignByName(name: string): ForeignFormat | undefined {
  const ending = path.extname(name).slice(1).toLowerCase();
  return FOREIGN_FORMATS.find((format) => format === ending);
}

/**
 * The format a target is in by its name. Endings of other programs' containers are not taken for raw: a file that does not
 * hold what its name says is believed by the next tool. Errors: USAGE.
 */
function formatByName(name: string): Format {
  const ending = path.extname(name).toLowerCase();
  if (['.vhd', '.avhd', '.vpc'].includes(ending)) return 'dynamic';
  const foreign = foreignByName(name);
  if (foreign !== undefined) return foreign;
  if (RAW_ENDINGS.includes(ending) || isStream(name) || fileSystem.stat(name)?.kind === 'device') return 'raw';
  throw new VhdError(
    'USAGE',
    `what ${name} is to be cannot be told from its ending ${ending}: say --to raw, or another`,
  );
}

const RAW_ENDINGS = ['', '.raw', '.img', '.bin', '.dd', '.iso', '.ima', '.dsk', '.disk', '.part'];
