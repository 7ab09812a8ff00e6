/** What is done with the content of the library: checks, copies, sizes, files of other formats. For images, templates and disks. */
import path from 'node:path';
import { type Command, Option } from 'commander';
import type { Client } from '../../../api/client.ts';
import { type Disk, type DiskKind, listDisks, listSnapshots } from '../../../api/disk.ts';
import {
  CheckResult,
  CompactResult,
  checkDisk,
  compactDisk,
  copyDisk,
  deleteExport,
  describeDisk,
  diskFamily,
  downloadExport,
  ExportedFile,
  ExportFormat,
  exportDisk,
  type Finding,
  mergeSnapshot,
  rebaseDisk,
  repairDisk,
  resizeImage,
} from '../../../api/image.ts';
import type { Task } from '../../../api/task.ts';
import { sizeInBytes } from '../base/arguments.ts';
import { accessFor, type Cli, clientOf, globals, show } from '../base/context.ts';
import { saveTo } from '../base/download.ts';
import { CliError } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { bytes } from '../base/output.ts';
import { waitForTask } from './task.ts';

/** Says how the command is to end where it did not fail. */
export type ExitWith = (status: number) => void;

/** Damage was found: the status tells scripts. */
const FOUND = 2;

interface Found {
  readonly client: Client;
  readonly one: Disk;
}

/** The thing that is meant, or one of its snapshots. */
async function find(cli: Cli, command: Command, kind: DiskKind, called: string, snapshot?: string): Promise<Found> {
  const client = clientOf(await accessFor(cli, globals(command)));
  const one = findOne(kind, await listAll(client, listDisks, { kind }), called);
  if (snapshot === undefined) return { client, one };
  const { items } = await client.call(listSnapshots, { params: { diskId: one.id } });
  return { client, one: findOne('snapshot', items, snapshot) };
}

/** Adds the verbs to the command of a kind. */
export function addImageWork(cli: Cli, library: Command, kind: DiskKind, exitWith: ExitWith): void {
  addLooking(cli, library, kind, exitWith);
  addChanging(cli, library, kind, exitWith);
  addCopying(cli, library, kind);
}

function addLooking(cli: Cli, library: Command, kind: DiskKind, exitWith: ExitWith): void {
  const thing = `<${kind}>`;
  library
    .command('check')
    .description('look for damage, and say what it means and what to do; status 2 where there is some')
    .argument(thing, 'name or id')
    .option('--deep', 'read the data too')
    .action(async (called: string, options: { deep?: boolean }, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const body = { deep: options.deep === true };
      const task = await waitForTask(
        cli,
        command,
        client,
        (await client.call(checkDisk, { params: { diskId: one.id }, body })).id,
      );
      showCheck(cli, command, exitWith, one, task);
    });
  library
    .command('tree')
    .description(`draw what a ${kind} stands on, and who stands on that`)
    .argument(thing, 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const family = await client.call(diskFamily, { params: { diskId: one.id } });
      show(cli, command, family, ({ items, isCut }) => `${treeOf(items, one.id)}${isCut ? 'and more\n' : ''}`);
    });
}

function showCheck(cli: Cli, command: Command, exitWith: ExitWith, one: Disk, task: Task): void {
  const result = CheckResult.parse(task.result);
  show(cli, command, result, ({ findings, moreCount, isWhole }) => {
    const lines = findings.map(findingText);
    if (0 < moreCount) lines.push(`and ${moreCount} more\n`);
    if (!isWhole) lines.push('its newest link is in use and was left out: check again while its VM is off\n');
    return lines.length === 0 ? `${one.name}: nothing found\n` : lines.join('\n');
  });
  if (result.findings.some(({ severity }) => severity !== 'note')) exitWith(FOUND);
}

function findingText({ severity, code, file, message, meaning, whatToDo }: Finding): string {
  const todo = whatToDo === '' ? '' : `  To do: ${whatToDo}\n`;
  return `${severity} ${code} in ${file}\n  ${meaning}\n${todo}  (${message})\n`;
}

/** Indented, parents first. */
function treeOf(items: readonly Disk[], marked: string): string {
  const ids = new Set(items.map(({ id }) => id));
  const under = (parentId: string | null): readonly Disk[] =>
    items.filter((one) => (parentId === null ? !ids.has(one.parentId ?? '') : one.parentId === parentId));
  const draw = (one: Disk, stem: string, isLast: boolean, isRoot: boolean): string => {
    const branch = isRoot ? '' : `${stem}${isLast ? '└─ ' : '├─ '}`;
    const used = one.vm === null ? '' : `, VM ${one.vm.name}`;
    const mark = one.id === marked ? ' *' : '';
    const line = `${branch}${one.name} (${one.kind}${used}, ${bytes(one.storedBytes)})${mark}\n`;
    const children = under(one.id);
    const next = isRoot ? '' : `${stem}${isLast ? '   ' : '│  '}`;
    return line + children.map((child, at) => draw(child, next, at === children.length - 1, false)).join('');
  };
  return under(null)
    .map((root) => draw(root, '', true, true))
    .join('');
}

function addChanging(cli: Cli, library: Command, kind: DiskKind, exitWith: ExitWith): void {
  const thing = `<${kind}>`;
  library
    .command('rename')
    .description('call it something else')
    .argument(thing, 'name or id')
    .argument('<name>')
    .action(async (called: string, name: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const after = await client.call(describeDisk, { params: { diskId: one.id }, body: { name } });
      show(cli, command, after, (disk) => `${one.name} is ${disk.name} now\n`);
    });
  library
    .command('describe')
    .description('say what it is, for whoever comes upon it')
    .argument(thing, 'name or id')
    .argument('<text>')
    .action(async (called: string, description: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const after = await client.call(describeDisk, { params: { diskId: one.id }, body: { description } });
      show(cli, command, after, (disk) => `${disk.name}: ${disk.description}\n`);
    });
  if (kind === 'template') return; // It never changes.
  library
    .command('compact')
    .description(kind === 'image' ? 'give back the space of zeros' : 'give back the space of zeros; its VM must be off')
    .argument(thing, 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const { id } = await client.call(compactDisk, { params: { diskId: one.id }, body: {} });
      const result = CompactResult.parse((await waitForTask(cli, command, client, id)).result);
      show(cli, command, result, ({ storedBytesBefore, storedBytesAfter }) => {
        return `${one.name}: ${bytes(storedBytesAfter)} stored, ${bytes(storedBytesBefore)} before\n`;
      });
    });
  if (kind === 'disk') addDiskChanges(cli, library);
  if (kind !== 'image') return;
  library
    .command('repair')
    .description('mend what can be mended without guessing; status 2 where something is left')
    .argument('<image>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const { id } = await client.call(repairDisk, { params: { diskId: one.id }, body: {} });
      showCheck(cli, command, exitWith, one, await waitForTask(cli, command, client, id));
    });
  library
    .command('resize')
    .description('give it another size; smaller only where nothing but zeros is cut off')
    .argument('<image>', 'name or id')
    .argument('<size>', 'such as 40G', sizeInBytes)
    .option('--shrink', 'it may become smaller')
    .action(async (called: string, sizeBytes: number, options: { shrink?: boolean }, command: Command) => {
      const { client, one } = await find(cli, command, kind, called);
      const body = { sizeBytes, shrink: options.shrink === true };
      const { id } = await client.call(resizeImage, { params: { diskId: one.id }, body });
      showDone(cli, command, await waitForTask(cli, command, client, id));
    });
}

function addDiskChanges(cli: Cli, library: Command): void {
  library
    .command('rebase')
    .description('put a disk on another image that holds the same')
    .argument('<disk>', 'name or id')
    .argument('<image>', 'name or id of an image or template')
    .action(async (called: string, imageCalled: string, _: unknown, command: Command) => {
      const { client, one } = await find(cli, command, 'disk', called);
      const all = await listAll(client, listDisks);
      const image = findOne(
        'image',
        all.filter((each) => each.kind === 'image' || each.kind === 'template'),
        imageCalled,
      );
      const { id } = await client.call(rebaseDisk, { params: { diskId: one.id }, body: { imageId: image.id } });
      showDone(cli, command, await waitForTask(cli, command, client, id));
    });
}

/** `oriel disk snapshot merge`. */
export function addMerge(cli: Cli, snapshots: Command): void {
  snapshots
    .command('merge')
    .description('fold a snapshot down into the one before it, which it replaces')
    .argument('<disk>', 'name or id')
    .argument('<snapshot>', 'name or id')
    .action(async (called: string, snapshotCalled: string, _: unknown, command: Command) => {
      const { client, one: disk } = await find(cli, command, 'disk', called);
      const { items } = await client.call(listSnapshots, { params: { diskId: disk.id } });
      const snapshotId = findOne('snapshot', items, snapshotCalled).id;
      const { id } = await client.call(mergeSnapshot, { params: { diskId: disk.id, snapshotId } });
      showDone(cli, command, await waitForTask(cli, command, client, id));
    });
}

interface DownloadOptions {
  readonly format: ExportFormat;
  readonly output?: string;
  readonly force?: boolean;
  readonly snapshot?: string;
}

function addCopying(cli: Cli, library: Command, kind: DiskKind): void {
  const thing = `<${kind}>`;
  const withSnapshot = (command: Command): Command =>
    kind === 'disk'
      ? command.option('--snapshot <snapshot>', 'what this snapshot of it holds; also while its VM runs')
      : command;
  withSnapshot(
    library
      .command('copy')
      .description(`make an image of its own of what a ${kind} holds`)
      .argument(thing, 'name or id')
      .argument('<name>', 'of the new image')
      .option('--template', 'a template, which clones are made from'),
  ).action(
    async (called: string, name: string, options: { template?: boolean; snapshot?: string }, command: Command) => {
      const { client, one } = await find(cli, command, kind, called, options.snapshot);
      const body = { name, kind: options.template === true ? ('template' as const) : ('image' as const) };
      const { id } = await client.call(copyDisk, { params: { diskId: one.id }, body });
      showDone(cli, command, await waitForTask(cli, command, client, id));
    },
  );
  withSnapshot(
    library
      .command('download')
      .description('save it as a file of a format of your choice')
      .argument(thing, 'name or id')
      .addOption(new Option('--format <format>', 'what it becomes').choices(ExportFormat.options).default('vhd'))
      .option('-o, --output <file>', 'where it goes; its own name in this folder where not given')
      .option('--force', 'in place of a file that is there')
      .addHelpText('after', `\nExamples:\n  oriel ${kind} download debian --format qcow2 -o /srv/debian.qcow2`),
  ).action(async (called: string, options: DownloadOptions, command: Command) => {
    const { client, one } = await find(cli, command, kind, called, options.snapshot);
    const { id } = await client.call(exportDisk, { params: { diskId: one.id }, body: { format: options.format } });
    const made = ExportedFile.parse((await waitForTask(cli, command, client, id)).result);
    const params = { exportId: made.id };
    const file = options.output ?? path.basename(made.fileName);
    const access = await accessFor(cli, globals(command));
    await saveTo(file, access, client.url(downloadExport, { params }), {
      sizeBytes: made.sizeBytes,
      isReplacing: options.force === true,
      onProgress: progressOf(cli, command, `download ${made.fileName}`),
    });
    await client.call(deleteExport, { params });
    show(cli, command, { file, ...made }, () => `${file}: ${bytes(made.sizeBytes)}\n`);
  });
}

/** A line in a terminal that says how far it is. */
export function progressOf(cli: Cli, command: Command, what: string): (done: number, total: number) => void {
  if (cli.terminal.columns === undefined || globals(command).json === true) return () => undefined;
  return (done, total) => {
    const isEnd = done === total;
    cli.terminal.err(
      `\r\u001b[K${isEnd ? '' : `${what}: ${Math.floor((done / total) * 100)}%, ${bytes(done)} of ${bytes(total)}`}`,
    );
  };
}

function showDone(cli: Cli, command: Command, task: Task): void {
  if (task.state !== 'done') throw new CliError(`${task.title}: ${task.state}`);
  show(cli, command, task, (done) => `${done.title}: ${done.state}\n`);
}
