/** `oriel vhd convert` and `export`: the content of a disk in another format, as a file or as a stream. */
import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import type { Disk } from '../../disk.ts';
import { VhdError } from '../../errors.ts';
import { type ForeignFormat, isForeign } from '../../formats/content.ts';
import type { NativeFormat } from '../../formats/format.ts';
import { serveNbd } from '../../nbd/server.ts';
import { type ConvertOptions, convertDisk, openSource, sourceFormat } from '../../ops/convert.ts';
import { convertFromForeign, convertToForeign, FOREIGN_FORMATS, type ServeDisk } from '../../ops/foreign/foreign.ts';
import { openAnySource } from '../../ops/foreign/source.ts';
import { refuseFooter, sniff } from '../../ops/incoming.ts';
import { receiveDisk } from '../../ops/receive.ts';
import { exportStream } from '../../ops/stream.ts';
import { temporaryName } from '../../storage/temporary.ts';
import { action, oneOf, type Run, size, type VhdCli, verb } from '../base/cli.ts';
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
    await convert(run, source, target, { ...flags, to });
    if (target !== '-') run.print({ source, target, format: to }, () => [`${target}: ${to}`]);
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
        await send(run, disk, flags.format, undefined);
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
  const disk = await openSource(source, { ...run.options, format });
  try {
    if (isForeign(to)) await toForeign(run, disk, target, to, flags);
    else if (target === '-') await send(run, disk, to, flags.blockSize);
    else await convertDisk(disk, target, nativeOptions(run, to, flags));
  } finally {
    await disk.close();
  }
}

async function receive(run: Run, target: string, flags: Flags & { readonly to: Format }): Promise<void> {
  if (target === '-' || isForeign(flags.to))
    throw new VhdError('USAGE', 'standard input goes into a raw or a VHD file');
  const { content, chunks } = await sniff(run.cli.stdin as AsyncIterable<Uint8Array>);
  const from = flags.from ?? content;
  if (from === 'raw') {
    const bytes = flags.from === undefined ? refuseFooter(chunks) : chunks;
    return receiveDisk(bytes, target, nativeOptions(run, flags.to, flags));
  }
  // All others are read from places all over the file: it has to be there whole.
  const whole = temporaryName(target);
  try {
    await fs.promises.writeFile(whole, chunks, { flag: 'wx' });
    await convert(run, whole, target, flags);
  } finally {
    fs.rmSync(whole, { force: true });
  }
}

async function toForeign(run: Run, disk: Disk, target: string, format: ForeignFormat, flags: Flags): Promise<void> {
  if (target === '-') throw new VhdError('USAGE', `${format} cannot be written to standard output`);
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
  const beside = target === '-' ? source : target;
  if (target !== '-' && flags.force !== true && fs.existsSync(target))
    throw new VhdError('EXISTS', `${target} is there already`);
  const image = `${temporaryName(beside)}.vhd`;
  try {
    const block = flags.blockSize === undefined ? {} : { blockBytes: flags.blockSize };
    await convertFromForeign(source, image, { ...run.options, format, serve, ...block });
    if (flags.to === 'dynamic' && target !== '-') fs.renameSync(image, target);
    else await convert(run, image, target, { ...flags, from: 'vhd' });
  } finally {
    fs.rmSync(image, { force: true });
  }
}

async function send(run: Run, disk: Disk, to: NativeFormat, blockBytes: number | undefined): Promise<void> {
  const stream = await exportStream(disk, { ...run.options, to, ...(blockBytes === undefined ? {} : { blockBytes }) });
  for await (const chunk of stream.chunks) {
    // The buffer is used again for a later chunk: wait until this one is written.
    await new Promise<void>((resolve, reject) => {
      run.cli.stdout.write(chunk, (error) =>
        error === null || error === undefined ? resolve() : reject(writeFailed(error)),
      );
    });
  }
}

function writeFailed(cause: Error): VhdError {
  return new VhdError('IO', 'cannot write to standard output', { cause });
}

function nativeOptions(run: Run, to: NativeFormat, flags: Flags): ConvertOptions {
  const block = flags.blockSize === undefined ? {} : { blockBytes: flags.blockSize };
  return { ...run.options, to, ...block, isForAzure: flags.azure === true, isReplacing: flags.force === true };
}

function foreignByName(name: string): ForeignFormat | undefined {
  const ending = path.extname(name).slice(1).toLowerCase();
  return FOREIGN_FORMATS.find((format) => format === ending);
}

/** The format a target is in by its name: `.vhd` is a dynamic image, what is not known is raw. */
function formatByName(name: string): Format {
  return foreignByName(name) ?? (/\.a?vhd$/i.test(name) ? 'dynamic' : 'raw');
}
