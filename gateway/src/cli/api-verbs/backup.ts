/** `oriel backup …`: restore points of VMs, made, looked at, verified, given back. */
import { Command, Option } from 'commander';
import {
  type BackupRun,
  backUpVm,
  deleteRestorePoint,
  editRestorePoint,
  exportRestorePoint,
  listBackupRuns,
  listRestorePoints,
  type RestorePoint,
  restoreRestorePoint,
  verifyRestorePoint,
} from '../../../api/backup.ts';
import type { Client } from '../../../api/client.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError } from '../base/exit.ts';
import { findOne, findVm, listAll } from '../base/lists.ts';
import { bytes, sheet, table } from '../base/output.ts';
import { jobCommand } from './backup-job.ts';
import { findRepository, repositoryCommand } from './backup-repository.ts';
import { waitForTask } from './task.ts';

export function backupCommand(cli: Cli): Command {
  const backup = new Command('backup').description('restore points of VMs: make, verify and restore them');
  for (const command of [
    runCommand(cli),
    listCommand(cli),
    showCommand(cli),
    verifyCommand(cli),
    restoreCommand(cli),
    exportCommand(cli),
    pinCommand(cli, true),
    pinCommand(cli, false),
    removeCommand(cli),
    runsCommand(cli),
    jobCommand(cli),
    repositoryCommand(cli),
  ])
    backup.addCommand(command);
  return backup;
}

function runCommand(cli: Cli): Command {
  return new Command('run')
    .description('make a restore point of a VM now; only what has changed since the last is copied')
    .argument('<vm>', 'name or id')
    .option('--repository <repository>', 'name or id; the only one where not given')
    .option('--full', 'copy everything')
    .addHelpText('after', '\nExamples:\n  oriel backup run desk-7 --repository nas')
    .action(async (called: string, options: { repository?: string; full?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const vm = await findVm(client, called);
      const repository = await findRepository(client, options.repository);
      const body = { repositoryId: repository.id, isFull: options.full === true };
      const task = await client.call(backUpVm, { params: { vmId: vm.id }, body });
      await waitForTask(cli, command, client, task.id);
      const { items } = await client.call(listRestorePoints, {
        query: { vmId: vm.id, repositoryId: repository.id, limit: 1 },
      });
      const [made] = items;
      if (made === undefined) throw new CliError('the run has ended, and its restore point is not listed');
      show(cli, command, made, (point) => `${kindOf(point)} restore point ${point.id}: ${worthOf(point)}\n`);
    });
}

function listCommand(cli: Cli): Command {
  return new Command('list')
    .alias('ls')
    .description('list restore points, newest first')
    .argument('[vm]', 'name or id of a VM; all where not given')
    .option('--repository <repository>', 'name or id; all where not given')
    .action(async (called: string | undefined, options: { repository?: string }, command: Command) => {
      const client = await clientFor(cli, command);
      const points = await listAll(client, listRestorePoints, {
        ...(called === undefined ? {} : { vmId: await vmIdOf(client, called) }),
        ...(options.repository === undefined
          ? {}
          : { repositoryId: (await findRepository(client, options.repository)).id }),
      });
      show(cli, command, points, (rows) => table(rows, COLUMNS, cli.terminal.columns));
    });
}

function showCommand(cli: Cli): Command {
  return new Command('show')
    .description('show one restore point')
    .argument('<point>', 'its id, or the start of it')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      show(cli, command, await findPoint(client, called), pointSheet);
    });
}

function verifyCommand(cli: Cli): Command {
  return new Command('verify')
    .description('read a restore point and compare it with what was stored; exit status 1 where it is damaged')
    .argument('<point>', 'its id, or the start of it')
    .option('--sample <part>', 'read only this part of it, from 0.001 to 1', Number)
    .action(async (called: string, options: { sample?: number }, command: Command) => {
      const client = await clientFor(cli, command);
      const point = await findPoint(client, called);
      const body = { sample: options.sample ?? 1 };
      const task = await client.call(verifyRestorePoint, { params: paramsOf(point), body });
      await waitForTask(cli, command, client, task.id);
      show(
        cli,
        command,
        await findPoint(client, point.id),
        () =>
          `restore point ${point.id} is what was stored${body.sample < 1 ? `, as far as ${body.sample * 100} % of it tells` : ''}\n`,
      );
    });
}

function restoreCommand(cli: Cli): Command {
  return new Command('restore')
    .description('make a new VM with the disks of a restore point')
    .argument('<point>', 'its id, or the start of it')
    .argument('<name>', 'of the new VM')
    .option('--host <host>', 'id of the host that it shall run on')
    .addOption(
      new Option(
        '--how <how>',
        'copy: its disks are its own. now: they stand on the restore point, and it can start at once',
      )
        .choices(['copy', 'now'])
        .default('copy'),
    )
    .option('--start', 'start it')
    .addHelpText('after', '\nExamples:\n  oriel backup restore 20261127T0200 desk-7-back --how now --start')
    .action(
      async (
        called: string,
        name: string,
        options: { host?: string; how: 'copy' | 'now'; start?: boolean },
        command: Command,
      ) => {
        const client = await clientFor(cli, command);
        const point = await findPoint(client, called);
        const body = {
          name,
          how: options.how,
          isStarted: options.start === true,
          ...(options.host === undefined ? {} : { hostId: options.host }),
        };
        const task = await client.call(restoreRestorePoint, { params: paramsOf(point), body });
        const ended = await waitForTask(cli, command, client, task.id);
        show(cli, command, ended, () => `VM ${name} is ${point.vmName} as of ${point.createdAt}\n`);
      },
    );
}

function exportCommand(cli: Cli): Command {
  return new Command('export')
    .description('lay out a restore point, and all that it stands on, as plain VHDs in the folder of exports')
    .argument('<point>', 'its id, or the start of it')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const point = await findPoint(client, called);
      const task = await client.call(exportRestorePoint, { params: paramsOf(point) });
      const ended = await waitForTask(cli, command, client, task.id);
      show(cli, command, ended, ({ id }) => `exported restore point ${point.id} (task ${id})\n`);
    });
}

function pinCommand(cli: Cli, isPinned: boolean): Command {
  return new Command(isPinned ? 'pin' : 'unpin')
    .description(isPinned ? 'keep a restore point, whatever retention says' : 'let retention decide about it again')
    .argument('<point>', 'its id, or the start of it')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const point = await findPoint(client, called);
      const after = await client.call(editRestorePoint, { params: paramsOf(point), body: { isPinned } });
      show(cli, command, after, ({ id }) => `restore point ${id} is ${isPinned ? 'pinned' : 'not pinned'}\n`);
    });
}

function removeCommand(cli: Cli): Command {
  return new Command('remove')
    .alias('rm')
    .description('remove a restore point; what others need of it becomes theirs first')
    .argument('<point>', 'its id, or the start of it')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const point = await findPoint(client, called);
      const task = await client.call(deleteRestorePoint, { params: paramsOf(point) });
      await waitForTask(cli, command, client, task.id);
      show(cli, command, point, ({ id }) => `removed restore point ${id}\n`);
    });
}

function runsCommand(cli: Cli): Command {
  return new Command('runs')
    .description('list runs, newest first')
    .argument('[vm]', 'name or id of a VM; all where not given')
    .action(async (called: string | undefined, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const query = called === undefined ? {} : { vmId: await vmIdOf(client, called) };
      const runs = await listAll(client, listBackupRuns, query);
      show(cli, command, runs, (rows) => table(rows, RUN_COLUMNS, cli.terminal.columns));
    });
}

async function findPoint(client: Client, called: string): Promise<RestorePoint> {
  const points = await listAll(client, listRestorePoints);
  return findOne(
    'restore point',
    points.map((point) => ({ ...point, name: point.id })),
    called,
  );
}

/** Of a VM that is there, or of one that only its restore points are left of. */
async function vmIdOf(client: Client, called: string): Promise<string> {
  const points = await listAll(client, listRestorePoints);
  const gone = points.find(({ vmId, vmName }) => vmId === called || vmName === called);
  return gone?.vmId ?? (await findVm(client, called)).id;
}

const paramsOf = ({ repositoryId, vmId, id }: RestorePoint) => ({ repositoryId, vmId, pointId: id });

const kindOf = ({ disks }: RestorePoint): string =>
  disks.some(({ kind }) => kind === 'full') ? 'full' : 'incremental';

const worthOf = ({ consistency, reason }: RestorePoint): string => `${consistency}-consistent: ${reason}`;

const COLUMNS = [
  { title: 'id', value: (row: RestorePoint) => row.id },
  { title: 'vm', value: (row: RestorePoint) => row.vmName },
  { title: 'taken', value: (row: RestorePoint) => row.createdAt },
  { title: 'kind', value: kindOf },
  { title: 'stored', value: (row: RestorePoint) => bytes(row.storedBytes) },
  { title: 'consistent', value: (row: RestorePoint) => row.consistency },
  { title: 'health', value: (row: RestorePoint) => row.health },
  { title: 'pinned', value: (row: RestorePoint) => (row.isPinned ? 'yes' : null) },
];

const RUN_COLUMNS = [
  { title: 'started', value: (row: BackupRun) => row.startedAt },
  { title: 'vm', value: (row: BackupRun) => row.vmName },
  { title: 'state', value: (row: BackupRun) => row.state },
  { title: 'kind', value: (row: BackupRun) => row.kind },
  { title: 'copied', value: (row: BackupRun) => bytes(row.dataBytes) },
  { title: 'error', value: (row: BackupRun) => row.error },
];

function pointSheet(point: RestorePoint): string {
  return sheet([
    ['id', point.id],
    ['vm', `${point.vmName} (${point.vmId})`],
    ['taken', point.createdAt],
    ['consistent', worthOf(point)],
    ...point.disks.map((disk): [string, string] => [
      'disk',
      `${disk.name}, ${bytes(disk.sizeBytes)}: ${disk.kind} of ${bytes(disk.dataBytes)}${disk.reason === null ? '' : ` (${disk.reason})`}`,
    ]),
    ['stored', bytes(point.storedBytes)],
    ['health', point.verifiedAt === null ? point.health : `${point.health}, verified ${point.verifiedAt}`],
    ...point.problems.map((problem): [string, string] => ['problem', problem]),
    ['pinned', point.isPinned ? 'yes' : 'no'],
    ['kept until', point.keptUntil],
  ]);
}
