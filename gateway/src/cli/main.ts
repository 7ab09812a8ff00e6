/** The entry of the `oriel` command: argv in, exit status out. */
import { existsSync, readFileSync } from 'node:fs';
import { type Command, CommanderError } from 'commander';
import { ApiError } from '../../api/errors.ts';
import { GatewayError, StartError } from '../errors.ts';
import type { Access, Cli } from './base/context.ts';
import { CliError, EXIT, exitStatusOf } from './base/exit.ts';
import { program } from './program.ts';

export async function main(argv: readonly string[]): Promise<number> {
  // A pipe that closes early (`oriel vm list | head`) is no failure of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT.ok);
  });
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
  return await run(cli, argv);
}

/** The account that owns the data folder needs no profile on the gateway's own machine: its local socket lets it in. */
async function localAccess(env: Cli['env']): Promise<Access | undefined> {
  const { parseConfig } = await import('../config.ts');
  const { dataFolder } = parseConfig(env);
  if (!existsSync(dataFolder)) return undefined;
  const { askAdmin } = await import('../edge/local/admin-socket.ts');
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
    quiet(root, cli);
    await root.parseAsync([...argv]);
    return status ?? Number(process.exitCode ?? EXIT.ok);
  } catch (error) {
    return report(cli, error);
  }
}

function report(cli: Cli, error: unknown): number {
  // It has printed its own line, and the help that was asked for or was missing a verb.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
  if (error instanceof ApiError) {
    const details = (error.problem.errors ?? []).map((one) => `\n  ${one.path}: ${one.message}`).join('');
    cli.terminal.err(`oriel: ${error.message}${details}\n`);
    return exitStatusOf(error.code);
  }
  if (error instanceof GatewayError) {
    cli.terminal.err(`oriel: ${error.message}\n`);
    return exitStatusOf(error.code);
  }
  if (error instanceof CliError || error instanceof StartError) {
    cli.terminal.err(`oriel: ${error.message}\n`);
    return error instanceof CliError ? error.status : EXIT.failed;
  }
  cli.terminal.err(`oriel: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return EXIT.failed;
}

/** Every command, also those inside groups, ends by throwing and writes to our terminal. */
function quiet(command: Command, cli: Cli): void {
  command.exitOverride();
  command.configureOutput({ writeOut: (text) => cli.terminal.out(text), writeErr: (text) => cli.terminal.err(text) });
  for (const child of command.commands) quiet(child, cli);
}

function versionOf(): string {
  const file = new URL('../../../package.json', import.meta.url);
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
