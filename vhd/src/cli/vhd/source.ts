/** What the verbs share that read what a disk contains: `--from`, and a word where a name misleads. */
import type { Command } from 'commander';
import { type OpenAnyOptions, SOURCE_FORMATS, type SourceFormat } from '../../ops/foreign/source.ts';
import { type CommonFlags, oneOf, type Run } from '../base/cli.ts';

/** Flags of a verb that reads a disk. */
export interface SourceFlags extends CommonFlags {
  readonly from?: SourceFormat;
}

/** Adds `--from`. */
export function fromOption(command: Command): Command {
  return command.option(
    '--from <format>',
    `what the file is: ${SOURCE_FORMATS.join(', ')}; its content says so when left out, and raw takes any file as it is`,
    oneOf(SOURCE_FORMATS),
  );
}

/** How the verb opens its files. */
export function sourceOptions({ cli, isJson, options }: Run, { from }: SourceFlags): OpenAnyOptions {
  const onNote = (note: string): void =>
    cli.err(isJson ? `${JSON.stringify({ event: 'note', message: note })}\n` : `oriel: ${note}\n`);
  return { ...options, onNote, isInPieces: true, ...(from === undefined ? {} : { from }) };
}
