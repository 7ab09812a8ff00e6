/** `oriel image …`, `oriel template …` and `oriel disk …`: the library through the API. */
import { Command, Option } from 'commander';
import {
  createDisk,
  createSnapshot,
  type Disk,
  type DiskKind,
  deleteDisk,
  deleteSnapshot,
  growDisk,
  importImage,
  listDisks,
  listSnapshots,
  revertDisk,
  sealDisk,
} from '../../../api/disk.ts';
import { sizeInBytes } from '../base/arguments.ts';
import { type Cli, clientFor, globals, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { bytes, sheet, table } from '../base/output.ts';
import { addImageWork, addMerge, type ExitWith } from './image-work.ts';
import { waitForTask } from './task.ts';
import { addUpload } from './upload.ts';

export function imageCommand(cli: Cli, exitWith: ExitWith): Command {
  return withImport(cli, libraryCommand(cli, exitWith, 'image', 'images of the library'), 'image');
}

export function templateCommand(cli: Cli, exitWith: ExitWith): Command {
  const template = withImport(
    cli,
    libraryCommand(cli, exitWith, 'template', 'templates, which clones are made from'),
    'template',
  );
  template
    .command('seal')
    .description('make a template of an image')
    .argument('<image>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('image', await listAll(client, listDisks, { kind: 'image' }), called);
      show(
        cli,
        command,
        await client.call(sealDisk, { params: { diskId: one.id } }),
        (disk) => `${disk.name} is a template now\n`,
      );
    });
  return template;
}

export function diskCommand(cli: Cli, exitWith: ExitWith): Command {
  const disk = libraryCommand(cli, exitWith, 'disk', 'disks of VMs');
  disk
    .command('create')
    .description('make a disk that no VM has yet')
    .argument('<name>')
    .option('--template <template>', 'a linked clone of this template')
    .option('--blank <size>', 'empty, such as 20G', sizeInBytes)
    .action(async (name: string, options: { template?: string; blank?: number }, command: Command) => {
      if ((options.template === undefined) === (options.blank === undefined)) {
        throw new CliError('give either --template or --blank', EXIT.usage);
      }
      const client = await clientFor(cli, command);
      const source =
        options.blank !== undefined
          ? { from: 'blank' as const, sizeBytes: options.blank }
          : {
              from: 'template' as const,
              templateId: findOne(
                'template',
                await listAll(client, listDisks, { kind: 'template' }),
                options.template ?? '',
              ).id,
            };
      const made = await client.call(createDisk, { body: { name, source } });
      show(cli, command, made, (one) => `made disk ${one.name} (${one.id})\n`);
    });
  disk
    .command('grow')
    .description('make a disk larger; a VM that runs is told at once')
    .argument('<disk>', 'name or id')
    .argument('<size>', 'such as 40G', sizeInBytes)
    .action(async (called: string, sizeBytes: number, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('disk', await listAll(client, listDisks, { kind: 'disk' }), called);
      const task = await client.call(growDisk, { params: { diskId: one.id }, body: { sizeBytes } });
      show(cli, command, await waitForTask(cli, command, client, task.id), (done) => `${done.title}: ${done.state}\n`);
    });
  disk
    .command('revert')
    .description('throw away what was written since the newest snapshot; the VM must be off')
    .argument('<disk>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('disk', await listAll(client, listDisks, { kind: 'disk' }), called);
      const task = await client.call(revertDisk, { params: { diskId: one.id } });
      show(cli, command, await waitForTask(cli, command, client, task.id), (done) => `${done.title}: ${done.state}\n`);
    });
  const snapshot = disk.command('snapshot').description('sealed links of a disk');
  addMerge(cli, snapshot);
  snapshot
    .command('list')
    .alias('ls')
    .description('list the snapshots of a disk')
    .argument('<disk>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('disk', await listAll(client, listDisks, { kind: 'disk' }), called);
      const { items } = await client.call(listSnapshots, { params: { diskId: one.id } });
      show(cli, command, items, (rows) => diskTable(rows, cli.terminal.columns));
    });
  snapshot
    .command('create')
    .description('seal what the disk holds now; also while its VM runs')
    .argument('<disk>', 'name or id')
    .argument('<name>')
    .action(async (called: string, name: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('disk', await listAll(client, listDisks, { kind: 'disk' }), called);
      const made = await client.call(createSnapshot, { params: { diskId: one.id }, body: { name } });
      show(cli, command, made, (disk1) => `made snapshot ${disk1.name} (${disk1.id})\n`);
    });
  snapshot
    .command('delete')
    .alias('rm')
    .description('fold a snapshot into what came after it; the disk stays as it is')
    .argument('<disk>', 'name or id')
    .argument('<snapshot>', 'name or id')
    .action(async (called: string, snapshotCalled: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('disk', await listAll(client, listDisks, { kind: 'disk' }), called);
      const { items } = await client.call(listSnapshots, { params: { diskId: one.id } });
      const snapshotId = findOne('snapshot', items, snapshotCalled).id;
      const task = await client.call(deleteSnapshot, { params: { diskId: one.id, snapshotId } });
      show(cli, command, await waitForTask(cli, command, client, task.id), (done) => `${done.title}: ${done.state}\n`);
    });
  return disk;
}

/** What all kinds have: list, show, delete. */
function libraryCommand(cli: Cli, exitWith: ExitWith, kind: DiskKind, description: string): Command {
  const library = new Command(kind).description(description);
  library
    .command('list')
    .alias('ls')
    .description(`list ${kind}s`)
    .action(async (_: unknown, command: Command) => {
      const missing = new Set<string>();
      const client = await clientFor(cli, command);
      const disks = await listAll(client, listDisks, { kind }, ({ unreachable }) => {
        for (const name of unreachable) missing.add(name);
      });
      show(cli, command, disks, (rows) => diskTable(rows, cli.terminal.columns));
      if (0 < missing.size) {
        throw new CliError(
          `not listed, because their storage does not answer: what lies in ${[...missing].join(', ')}`,
        );
      }
    });
  library
    .command('show')
    .description(`show one ${kind}`)
    .argument(`<${kind}>`, 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const one = findOne(kind, await listAll(await clientFor(cli, command), listDisks, { kind }), called);
      show(cli, command, one, diskSheet);
    });
  library
    .command('delete')
    .alias('rm')
    .description(`delete a ${kind} that nothing uses`)
    .argument(`<${kind}>`, 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne(kind, await listAll(client, listDisks, { kind }), called);
      await client.call(deleteDisk, { params: { diskId: one.id } });
      show(cli, command, one, () => `deleted ${kind} ${one.name}\n`);
    });
  addImageWork(cli, library, kind, exitWith);
  return library;
}

interface ImportOptions {
  readonly name?: string;
  readonly format?: 'raw';
  readonly wait: boolean;
}

function withImport(cli: Cli, library: Command, kind: 'image' | 'template'): Command {
  library
    .command('import')
    .description("take a VHD, VHDX, VMDK, qcow2 or raw file from the data folder's import folder")
    .argument('<file>', 'its name in the import folder')
    .option('--name <name>', 'what it is called in the library')
    .addOption(
      new Option('--format <format>', 'what it is; found out where not given').choices([
        'vhd',
        'vhdx',
        'vmdk',
        'qcow2',
        'vdi',
        'raw',
      ]),
    )
    .option('--no-wait', 'return at once')
    .addHelpText('after', `\nExamples:\n  oriel ${kind} import debian-12.qcow2 --name debian`)
    .action(async (file: string, options: ImportOptions, command: Command) => {
      const client = await clientFor(cli, command);
      const name = options.name ?? file.replace(/\.[a-z0-9]+$/i, '');
      const task = await client.call(importImage, { body: { name, file, kind, format: options.format } });
      const after = options.wait ? await waitForTask(cli, command, client, task.id) : task;
      show(cli, command, after, (one) => `${one.title}: ${one.state}\n`);
      if (!options.wait && globals(command).json !== true)
        cli.terminal.out(`follow it with: oriel task show ${task.id} --wait\n`);
    });
  addUpload(cli, library, kind);
  return library;
}

function diskTable(rows: readonly Disk[], columns: number | undefined): string {
  return table(
    rows,
    [
      { title: 'name', value: (row) => row.name },
      { title: 'size', value: (row) => bytes(row.sizeBytes), isRight: true },
      { title: 'stored', value: (row) => bytes(row.storedBytes), isRight: true },
      { title: 'chain', value: (row) => row.chainLength, isRight: true },
      { title: 'vm', value: (row) => row.vm?.name },
      { title: 'id', value: (row) => row.id },
      { title: 'health', value: (row) => (row.health.state === 'ok' ? 'ok' : row.health.message) },
    ],
    columns,
  );
}

function diskSheet(disk: Disk): string {
  return sheet([
    ['name', disk.name],
    ['description', disk.description],
    ['id', disk.id],
    ['kind', disk.kind],
    ['size', bytes(disk.sizeBytes)],
    ['stored', bytes(disk.storedBytes)],
    ['parent', disk.parentId],
    ['chain', disk.chainLength],
    ['children', disk.childCount],
    ['sealed', disk.isSealed ? 'yes' : 'no'],
    ['vm', disk.vm?.name],
    ['health', disk.health.state === 'ok' ? 'ok' : `${disk.health.message} (${disk.health.code})`],
    ['created', disk.createdAt],
  ]);
}
