/**
 * What every verb of `oriel vhd` and `oriel disk-service` has in common: where it writes, how it ends, how it shows progress.
 * Exit status: 0 done, 1 failed, 2 the image has problems (or the disks differ), 64 wrong usage.
 */
import path from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { OperationOptions, Progress } from '../../copy/options.ts';
import { VhdError } from '../../errors.ts';
import type { ChainPolicy } from '../../image/chain-policy.ts';
import { findLeftovers } from '../../storage/temporary.ts';
import { formatSize, parseSize } from '../../units.ts';
import { Stopped, stopOnSignals } from './signals.ts';

/** What the verbs need from outside; a test gives its own. */
export interface VhdCli {
  readonly out: (text: string) => void;
  readonly err: (text: string) => void;
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  /** True where a person looks at what `err` writes. */
  readonly isTerminal: boolean;
  readonly setStatus: (status: number) => void;
}

/** Exit status of the verbs. */
export const STATUS = { done: 0, failed: 1, problems: 2, usage: 64 } as const;

/** The verbs of the process. */
export const PROCESS: VhdCli = {
  out: (text) => void process.stdout.write(text),
  err: (text) => void process.stderr.write(text),
  stdin: process.stdin,
  stdout: process.stdout,
  isTerminal: process.stderr.isTTY === true,
  setStatus: (status) => {
    process.exitCode = status;
  },
};

/** Flags of every verb. */
export interface CommonFlags {
  readonly json?: boolean;
  readonly progress?: string;
  readonly parents?: readonly string[];
}

/** A command whose complaints about its arguments end with status 64. */
export class Verb extends Command {
  constructor(name?: string) {
    super(name);
    this.configureOutput({
      outputError: (text, write) => write(isJsonAskedOf(this) ? errorLine('USAGE', text.trim()) : text),
    });
  }

  override error(message: string, options?: { readonly exitCode?: number; readonly code?: string }): never {
    super.error(message, { ...options, exitCode: STATUS.usage });
  }
}

/** True where `--json` is on the line: also when its arguments are so wrong that they were not read to their end. */
function isJsonAskedOf(command: Command): boolean {
  const { rawArgs } = command as Command & { readonly rawArgs?: readonly string[] };
  return rawArgs?.includes('--json') === true || (command.parent !== null && isJsonAskedOf(command.parent));
}

/** An error as scripts read it. */
function errorLine(code: string, message: string): string {
  return `${JSON.stringify({ error: { code, message: message.replace(/^error: /, '') } })}\n`;
}

/** A verb of `oriel vhd`. */
export function verb(name: string, summary: string, example: string): Verb {
  const command = plainVerb(name, summary, example);
  command.option(
    '--parents <folder>',
    'a folder that parents may lie in and are searched for in, besides that of the image; may be repeated',
    collect,
  );
  return command;
}

/** A verb with the flags that all have, and its example. */
export function plainVerb(name: string, summary: string, example: string): Verb {
  const command = new Verb(name);
  command.description(summary);
  command.option('--json', 'answer as JSON');
  command.option('--progress <how>', 'json: progress as lines of JSON on standard error', oneOf(['json']));
  command.addHelpText(
    'after',
    `\nExample:\n  ${example}\n\nExit status: 0 done, 1 failed, 2 the image has problems, 64 wrong usage.`,
  );
  return command;
}

/** What a verb is handed besides its arguments. */
export interface Run {
  readonly cli: VhdCli;
  readonly isJson: boolean;
  /** Signal and progress, for the operations. */
  readonly options: OperationOptions & { readonly policy: ChainPolicy; readonly signal: AbortSignal };
  /** Shows progress that is no count of bytes: a share from 0 to 1, or null while nobody can say. */
  readonly onShare: (share: number | null, fields: Readonly<Record<string, unknown>>) => void;
  /** Prints one value: as JSON, or as lines for people. */
  readonly print: (value: unknown, lines: () => readonly string[]) => void;
}

/** Runs the work of a verb: interrupts stop it, errors become one line and a status. */
export function action<Flags extends CommonFlags>(
  cli: VhdCli,
  command: Command,
  work: (run: Run, args: readonly string[], flags: Flags) => Promise<void>,
): Command {
  return command.action(async () => {
    const flags = command.optsWithGlobals<Flags>();
    const abort = new AbortController();
    const forget = stopOnSignals(abort);
    const progress = new ProgressLine(cli, flags.progress === 'json');
    const isJson = flags.json === true;
    try {
      const options = { signal: abort.signal, onProgress: progress.show, policy: { folders: flags.parents ?? [] } };
      const print: Run['print'] = (value, lines) => {
        progress.clear();
        cli.out(
          isJson
            ? `${JSON.stringify(value, undefined, 2)}\n`
            : lines()
                .map((line) => `${line}\n`)
                .join(''),
        );
      };
      await work(
        { cli, isJson, options, onShare: progress.showShare, print },
        command.processedArgs as readonly string[],
        flags,
      );
    } catch (error) {
      progress.clear();
      report(cli, error, isJson);
    } finally {
      progress.clear();
      forget();
      tellLeftovers(cli, command.processedArgs, isJson);
    }
  });
}

function report(cli: VhdCli, error: unknown, isJson: boolean): void {
  if (!(error instanceof VhdError)) throw error;
  const { code, cause } = error;
  const message =
    code === 'CANCELLED' && cause instanceof Stopped
      ? error.message.replace('stopped by the caller', cause.message)
      : error.message;
  cli.err(isJson ? errorLine(code, message) : `oriel: ${message} (${code})\n`);
  cli.setStatus(code === 'USAGE' ? STATUS.usage : STATUS.failed);
}

/** What killed runs left beside the files that this one was about: named, and left to people to remove. */
function tellLeftovers(cli: VhdCli, args: readonly unknown[], isJson: boolean): void {
  const names = args.filter((arg): arg is string => typeof arg === 'string' && arg !== '' && arg !== '-');
  const folders = new Set(names.map((name) => path.dirname(path.resolve(name))));
  for (const leftover of [...folders].flatMap(findLeftovers)) {
    const text = `${leftover.path} (${formatSize(leftover.storedBytes)}) was left by a run that was killed: remove it`;
    cli.err(isJson ? `${JSON.stringify({ leftover })}\n` : `oriel: ${text}\n`);
  }
}

/** Progress: after a second, on a terminal; or as lines of JSON for jobs. */
class ProgressLine {
  readonly #cli: VhdCli;
  readonly #isJson: boolean;
  readonly #start = Date.now();
  #last = 0;
  #isShown = false;

  constructor(cli: VhdCli, isJson: boolean) {
    this.#cli = cli;
    this.#isJson = isJson;
  }

  readonly show = ({ doneBytes, totalBytes }: Progress): void => {
    const isEnd = doneBytes === totalBytes;
    this.#say(isEnd, { doneBytes, totalBytes: totalBytes ?? null }, () => {
      const share = totalBytes === undefined ? '' : percent(doneBytes / Math.max(1, totalBytes));
      return `${share}${formatSize(doneBytes)}${totalBytes === undefined ? '' : ` of ${formatSize(totalBytes)}`}`;
    });
  };

  readonly showShare = (share: number | null, fields: Readonly<Record<string, unknown>>): void => {
    this.#say(share === 1, { ...fields, progress: share }, () => (share === null ? 'working' : percent(share)));
  };

  #say(isEnd: boolean, fields: Readonly<Record<string, unknown>>, text: () => string): void {
    const now = Date.now();
    if (!(isEnd && this.#isJson) && now - this.#last < 100) return;
    this.#last = now;
    if (this.#isJson) this.#cli.err(`${JSON.stringify({ event: 'progress', ...fields })}\n`);
    else if (this.#cli.isTerminal && 1000 <= now - this.#start) {
      this.#isShown = true;
      this.#cli.err(`\r\u001b[K${text()}`);
    }
  }

  clear(): void {
    if (this.#isShown) this.#cli.err('\r\u001b[K');
    this.#isShown = false;
  }
}

const percent = (share: number): string => `${Math.floor(100 * share)} %  `;

/** A size on the command line: `40G`. */
export function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

/** One of a few words. */
export function oneOf<T extends string>(words: readonly T[]): (text: string) => T {
  return (text) => {
    const found = words.find((word) => word === text);
    if (found === undefined) throw new InvalidArgumentError(`must be one of ${words.join(', ')}`);
    return found;
  };
}

/** An option that may be repeated. */
export function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text];
}
