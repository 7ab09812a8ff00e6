/** The entry of the `oriel` command: argv in, exit status out. */
import { existsSync, readFileSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { ApiError } from '../../api/errors.ts';
import { printableJson } from '../../api/text.ts';
import { GatewayError, StartError } from '../errors.ts';
import type { Access, Cli } from './base/context.ts';
import { CliError, EXIT, exitStatusOf } from './base/exit.ts';
import { endWithNpm } from './base/npm.ts';
import { shownLines } from './base/output.ts';
import { program } from './program.ts';

export async function main(argv: readonly string[]): Promise<number> {
  endWithNpm(process.env);
  const settled = watchOutput();
  const cli: Cli = {
    terminal: {
      out: (text) => void process.stdout.write(text),
      err: (text) => void process.stderr.write(text),
      columns: process.stdout.isTTY ? process.stdout.columns : undefined,
    },
    env: process.env,
    now: Date.now,
    input: process.stdin,
    localAccess,
  };
  const status = await run(cli, argv);
  return (await settled()) || status !== EXIT.ok ? status : EXIT.failed;
}

/** What work that nobody listens to has left to end by itself. */
const CLOSED_PIPE_MS = 500;

/**
 * What could not be written was not told: never a status of success. A pipe that closes early (`oriel vm list | head`) ends
 * the command without a word, as a signal would end others; a full disk is said. The result tells whether all is written.
 */
function watchOutput(): () => Promise<boolean> {
  let isWhole = true;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isWhole && error.code !== 'EPIPE')
      process.stderr.write(`oriel: cannot write to standard output: ${error.code ?? error.message}\n`);
    isWhole = false;
    // Not before the work has heard of it, so that it can say what it did not get through.
    if (error.code === 'EPIPE') setTimeout(() => process.exit(EXIT.failed), CLOSED_PIPE_MS).unref();
  });
  process.stderr.on('error', () => undefined); // A terminal that was closed.
  return async () => {
    await new Promise<void>((resolve) => process.stdout.write('', () => resolve()));
    return isWhole;
  };
}

/** The account that owns the data folder needs no profile on the gateway's own machine: its local socket lets it in. */
export async function localAccess(env: Cli['env']): Promise<Access | undefined> {
  const { parseConfig } = await import('../config.ts');
  const { dataFolder } = parseConfig(env);
  if (!existsSync(dataFolder)) return undefined;
  const { askAdmin } = await import('../edge/local/admin-client.ts');
  try {
    return await askAdmin(dataFolder, { verb: 'access' });
  } catch (error) {
    if (error instanceof GatewayError && error.code === 'UNAVAILABLE') return undefined;
    throw error;
  }
}

/** The same with everything handed in. */
export async function run(cli: Cli, argv: readonly string[]): Promise<number> {
  let status: number | undefined;
  try {
    const root = await program({ cli, version: versionOf(), exitWith: (asked) => (status = asked) }, argv);
    quiet(root, cli, argv.includes('--json'));
    await root.parseAsync([...argv]);
    return status ?? Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    return report(cli, error, argv.includes('--json'));
  }
}

/** An error as scripts read it, who asked for JSON. */
function errorLine(code: string, message: string, errors?: unknown): string {
  return `${printableJson(JSON.stringify({ error: { code, message, ...(errors === undefined ? {} : { errors }) } }))}\n`;
}

function report(cli: Cli, error: unknown, isJson: boolean): number {
  // It has printed its own line, and the help that was asked for or was missing a verb.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ApiError) {
    const details = (error.problem.errors ?? []).map((one) => `\n  ${one.path}: ${one.message}`).join('');
    if (isJson) cli.terminal.err(errorLine(error.code, error.message, error.problem.errors));
    else cli.terminal.err(shownLines(`oriel: ${error.message}${details}\n`));
    return exitStatusOf(error.code);
  }
  if (error instanceof GatewayError) {
    cli.terminal.err(isJson ? errorLine(error.code, error.message) : shownLines(`oriel: ${error.message}\n`));
    return exitStatusOf(error.code);
  }
  if (error instanceof CliError || error instanceof StartError) {
    const code = error instanceof CliError && error.status === EXIT.usage ? 'USAGE' : 'FAILED';
    cli.terminal.err(isJson ? errorLine(code, error.message) : shownLines(`oriel: ${error.message}\n`));
    return error instanceof CliError ? error.status : EXIT.failed;
  }
  cli.terminal.err(shownLines(`oriel: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`));
  return EXIT.failed;
}

/** Every command, also those inside groups, ends by throwing and writes to our terminal. */
function quiet(command: Command, cli: Cli, isJson: boolean): void {
  command.exitOverride();
  command.configureOutput({
    writeOut: (text) => cli.terminal.out(text),
    writeErr: (text) => cli.terminal.err(text),
    outputError: (text, write) => write(isJson ? errorLine('USAGE', text.trim().replace(/^error: /, '')) : text),
  });
  for (const child of command.commands) quiet(child, cli, isJson);
}

function versionOf(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
