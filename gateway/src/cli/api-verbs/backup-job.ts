/** `oriel backup job …`: which VMs are backed up when, where to, and what stays. */
import { Command } from 'commander';
import {
  type BackupJob,
  createBackupJob,
  deleteBackupJob,
  editBackupJob,
  listBackupJobs,
  pruneBackupJob,
  Retention,
  type RetentionVerdict,
  runBackupJob,
} from '../../../api/backup.ts';
import type { Client } from '../../../api/client.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, findVm, listAll } from '../base/lists.ts';
import { table } from '../base/output.ts';
import { findRepository } from './backup-repository.ts';
import { waitForTask } from './task.ts';

interface JobOptions {
  readonly repository?: string;
  readonly schedule?: string;
  readonly timeZone?: string;
  readonly all?: boolean;
  readonly vm?: readonly string[];
  readonly nameHolds?: string;
  readonly keep?: string;
}

export function jobCommand(cli: Cli): Command {
  const job = new Command('job').description('which VMs are backed up when, where to, and what stays');
  job
    .command('list')
    .alias('ls')
    .description('list backup jobs')
    .action(async (_: unknown, command: Command) => {
      const all = await listAll(await clientFor(cli, command), listBackupJobs);
      show(cli, command, all, (rows) => table(rows, COLUMNS, cli.terminal.columns));
    });
  withSelection(job.command('create').description('add a backup job').argument('<name>'))
    .option('--repository <repository>', 'name or id; the only one where not given')
    .addHelpText(
      'after',
      '\nExamples:\n  oriel backup job create nightly --all --schedule "30 2 * * *" --time-zone Europe/Berlin --keep daily=7,weekly=4',
    )
    .action(async (name: string, options: JobOptions, command: Command) => {
      const client = await clientFor(cli, command);
      const { id: repositoryId } = await findRepository(client, options.repository);
      const body = { name, repositoryId, selection: await selectionOf(client, options), ...timesOf(options) };
      const made = await client.call(createBackupJob, { body });
      show(cli, command, made, (one) => `added backup job ${one.name}; next run: ${one.nextRunAt ?? 'by hand'}\n`);
    });
  withSelection(job.command('edit').description('change a backup job').argument('<job>', 'name or id'))
    .option('--enable', 'let its schedule start it')
    .option('--disable', 'keep its schedule from starting it')
    .action(async (called: string, options: JobOptions & { enable?: boolean; disable?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const one = await findJob(client, called);
      const isSelecting = options.all !== undefined || options.vm !== undefined || options.nameHolds !== undefined;
      const body = {
        ...timesOf(options),
        ...(isSelecting ? { selection: await selectionOf(client, options) } : {}),
        ...(options.enable === true ? { isEnabled: true } : {}),
        ...(options.disable === true ? { isEnabled: false } : {}),
      };
      const after = await client.call(editBackupJob, { params: { jobId: one.id }, body });
      show(cli, command, after, (now) => `backup job ${now.name}; next run: ${now.nextRunAt ?? 'by hand'}\n`);
    });
  job
    .command('run')
    .description('run a backup job now, and wait for all of its runs')
    .argument('<job>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = await findJob(client, called);
      const { tasks } = await client.call(runBackupJob, { params: { jobId: one.id } });
      const failed: string[] = [];
      for (const task of tasks)
        await waitForTask(cli, command, client, task.id).catch(
          (error: unknown) => void failed.push((error as Error).message),
        );
      show(
        cli,
        command,
        tasks,
        () => `${tasks.length - failed.length} of ${tasks.length} runs of ${one.name} are done\n`,
      );
      if (0 < failed.length) throw new CliError(failed.join('\n'));
    });
  job
    .command('prune')
    .description('say what stays of the restore points of a job and why; with --remove, remove the rest')
    .argument('<job>', 'name or id')
    .option('--remove', 'do it')
    .action(async (called: string, options: { remove?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const { id } = await findJob(client, called);
      const done = await client.call(pruneBackupJob, {
        params: { jobId: id },
        body: { dryRun: options.remove !== true },
      });
      if (done.task !== null) await waitForTask(cli, command, client, done.task.id);
      show(cli, command, done.verdicts, (rows) => table(rows, VERDICT_COLUMNS, cli.terminal.columns));
    });
  job
    .command('delete')
    .alias('rm')
    .description('delete a backup job; its restore points stay')
    .argument('<job>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = await findJob(client, called);
      await client.call(deleteBackupJob, { params: { jobId: one.id } });
      show(cli, command, one, ({ name }) => `deleted backup job ${name}\n`);
    });
  return job;
}

const withSelection = (command: Command): Command =>
  command
    .option('--all', 'all VMs')
    .option('--vm <vm...>', 'names or ids of VMs')
    .option('--name-holds <text>', 'VMs whose name holds this')
    .option('--schedule <cron>', 'minute hour day month weekday, such as "30 2 * * *"; by hand where not given')
    .option('--time-zone <name>', 'of the schedule, and of the days that are kept; UTC where not given')
    .option('--keep <what>', 'such as last=3,daily=7,weekly=4,monthly=12; everything where not given');

async function selectionOf(client: Client, { all, vm, nameHolds }: JobOptions) {
  if (all !== true && vm === undefined && nameHolds === undefined)
    throw new CliError('say which VMs: --all, --vm or --name-holds', EXIT.usage);
  const vmIds: string[] = [];
  for (const called of vm ?? []) vmIds.push((await findVm(client, called)).id);
  return { all: all === true, vmIds, ...(nameHolds === undefined ? {} : { nameHolds }) };
}

function timesOf({ schedule, timeZone, keep }: JobOptions) {
  return {
    ...(schedule === undefined ? {} : { schedule }),
    ...(timeZone === undefined ? {} : { timeZone }),
    ...(keep === undefined ? {} : { retention: retentionIn(keep) }),
  };
}

function retentionIn(text: string): Retention {
  const counts = Object.fromEntries(
    text.split(',').map((part): [string, number] => {
      const [, name, count] = /^\s*(last|hourly|daily|weekly|monthly|yearly)\s*=\s*(\d+)\s*$/.exec(part) ?? [];
      if (name === undefined) throw new CliError(`--keep ${part}: expected such as daily=7`, EXIT.usage);
      return [name, Number(count)];
    }),
  );
  const parsed = Retention.safeParse(counts);
  if (!parsed.success) throw new CliError(`--keep ${text}: ${parsed.error.issues[0]?.message}`, EXIT.usage);
  return parsed.data;
}

const findJob = async (client: Client, called: string): Promise<BackupJob> =>
  findOne('backup job', await listAll(client, listBackupJobs), called);

const COLUMNS = [
  { title: 'name', value: (row: BackupJob) => row.name },
  {
    title: 'schedule',
    value: (row: BackupJob) => (row.schedule === null ? 'by hand' : `${row.schedule} (${row.timeZone})`),
  },
  { title: 'next', value: (row: BackupJob) => (row.isEnabled ? row.nextRunAt : 'disabled') },
  { title: 'last', value: (row: BackupJob) => row.lastRun?.endedAt },
  { title: 'state', value: (row: BackupJob) => row.lastRun?.state },
  { title: 'id', value: (row: BackupJob) => row.id },
];

const VERDICT_COLUMNS = [
  { title: 'vm', value: ({ point }: RetentionVerdict) => point.vmName },
  { title: 'taken', value: ({ point }: RetentionVerdict) => point.createdAt },
  { title: 'stays for', value: ({ keptFor }: RetentionVerdict) => keptFor ?? '-- goes --' },
  { title: 'id', value: ({ point }: RetentionVerdict) => point.id },
];
