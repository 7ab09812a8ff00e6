/**
 * `oriel admin …`: what the gateway's own account can do on its own machine, through the local socket, whatever state the
 * passwords are in; and restoring the state while no gateway runs.
 */
import path from 'node:path';
import { Command, Option } from 'commander';
import { RIGHTS, type Right } from '../../../api/rights.ts';
import { parseConfig } from '../../config.ts';
import { askAdmin } from '../../edge/local/admin-client.ts';
import { GatewayError } from '../../errors.ts';
import { AuditLog, GATEWAY_ACTOR } from '../../identity/audit/audit-log.ts';
import { restoreStore } from '../../platform/store/backup.ts';
import { takeLease } from '../../platform/store/lease.ts';
import { openStore } from '../../platform/store/store.ts';
import { type Cli, show } from '../base/context.ts';
import { CliError, EXIT, exitStatusOf } from '../base/exit.ts';

export function adminCommand(cli: Cli): Command {
  const admin = new Command('admin').description('the gateway of this machine, from its own account');
  const folder = (): string => parseConfig(cli.env).dataFolder;
  admin
    .command('link')
    .description('make a one-time sign-in link')
    .option('--user <name>', 'for this account instead of the first admin')
    .addHelpText('after', '\nExamples:\n  oriel admin link\n  oriel admin link --user ada')
    .action(async (options: { user?: string }, command: Command) => {
      const link = await local(askAdmin(folder(), { verb: 'link', ...options }));
      show(cli, command, link, ({ url, user }) => `${url}\nsigns in ${user}, once\n`);
    });
  const token = admin.command('token').description('API tokens');
  token
    .command('create')
    .description('make an API token; it is shown this once')
    .requiredOption('--user <name>')
    .addOption(
      new Option('--scope <right...>', 'what it may do, never more than its user')
        .choices(RIGHTS)
        .makeOptionMandatory(),
    )
    .option('--name <text>', 'what it is for', 'made on the machine')
    .option('--days <n>', 'how long it lasts', '90')
    .addHelpText('after', '\nExamples:\n  oriel admin token create --user backup --scope backup restore --days 365')
    .action(async (options: { user: string; scope: Right[]; name: string; days: string }, command: Command) => {
      const { user, scope: scopes, name } = options;
      const made = await local(
        askAdmin(folder(), { verb: 'token.create', user, scopes, name, expiresInDays: Number(options.days) }),
      );
      show(cli, command, made, (one) => `${one.token}\n`);
    });
  admin
    .command('unlock')
    .description('forget failed sign-ins')
    .option('--user <name>', 'of this account instead of everybody')
    .action(async (options: { user?: string }, command: Command) => {
      const done = await local(askAdmin(folder(), { verb: 'unlock', ...options }));
      show(cli, command, done, ({ unlocked }) => `unlocked ${unlocked}\n`);
    });
  admin
    .command('backup')
    .description("save the gateway's own state: accounts, rights, hosts, VMs, the audit log (not the disks)")
    .argument('<file>')
    .action(async (file: string, _: unknown, command: Command) => {
      const done = await local(askAdmin(folder(), { verb: 'backup', file: path.resolve(file) }));
      show(cli, command, done, ({ rows }) => `saved ${rows} rows in ${file}\n`);
    });
  admin
    .command('restore')
    .description('put a saved state back, in place of everything; the gateway must be stopped')
    .argument('<file>')
    .action(async (file: string, _: unknown, command: Command) => {
      const rows = await local(restore(cli, path.resolve(file)));
      show(cli, command, { file, rows }, () => `restored ${rows} rows from ${file}\n`);
    });
  return admin;
}

async function restore(cli: Cli, file: string): Promise<number> {
  const config = parseConfig(cli.env);
  const running = await askAdmin(config.dataFolder, { verb: 'access' }).catch(() => undefined);
  if (running !== undefined) throw new CliError('a gateway runs on this state: stop it first', EXIT.conflict);
  const { databaseUrl } = config;
  // A gateway elsewhere may run on this database.
  const lease = databaseUrl === undefined ? undefined : await takeLease(databaseUrl, () => undefined);
  const store = await openStore({ folder: config.dataFolder, databaseUrl });
  try {
    const { rows } = await restoreStore(store, file);
    const audit = new AuditLog({ store, folder: config.dataFolder });
    // The line also moves the anchor, so that the log that came back is whole from here on.
    await audit.write({ actor: GATEWAY_ACTOR, action: 'admin.restore', outcome: 'ok', detail: { rows } });
    await audit.close();
    return rows;
  } finally {
    await store.close();
    await lease?.close();
  }
}

/** Turns what the gateway says into how the command ends. */
async function local<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof GatewayError) throw new CliError(error.message, exitStatusOf(error.code), { cause: error });
    throw error;
  }
}
