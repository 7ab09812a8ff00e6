/** `oriel storage …`: where disks lie; and the disk service that keeps them there. */
import { Command } from 'commander';
import {
  createStorage,
  deleteStorage,
  editStorage,
  listOrphans,
  listStorages,
  type Storage,
  type StorageOrphan,
  sweepStorage,
} from '../../../api/storage.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { bytes, sheet, table } from '../base/output.ts';

export function storageCommand(cli: Cli): Command {
  const storage = new Command('storage').description('storages, where disks lie, each with a disk service');
  const find = async (command: Command, called: string) => {
    const client = await clientFor(cli, command);
    return { client, one: findOne('storage', await listAll(client, listStorages), called) };
  };
  storage
    .command('list')
    .alias('ls')
    .description('list storages, how full they are and what fails there')
    .action(async (_: unknown, command: Command) => {
      const storages = await listAll(await clientFor(cli, command), listStorages);
      show(cli, command, storages, (rows) => table(rows, COLUMNS, cli.terminal.columns));
    });
  storage
    .command('show')
    .description('show one storage')
    .argument('<storage>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      show(cli, command, (await find(command, called)).one, storageSheet);
    });
  storage
    .command('add')
    .description('add the folder of a disk service that runs on this machine')
    .argument('<id>', 'part of the ids of its disks; it never changes')
    .requiredOption('--socket <path>', 'the control socket of its disk service')
    .option('--name <name>', 'for people; the id where not given')
    .addHelpText('after', '\nExamples:\n  oriel storage add fast --socket /run/oriel-fast/control.sock --name "NVMe"')
    .action(async (id: string, options: { socket: string; name?: string }, command: Command) => {
      const client = await clientFor(cli, command);
      const body = { id, name: options.name ?? id, socketPath: options.socket };
      const made = await client.call(createStorage, { body });
      show(cli, command, made, (one) => `added storage ${one.name} (${one.id}): ${one.state}\n`);
    });
  storage
    .command('rename')
    .description('give a storage another name')
    .argument('<storage>', 'name or id')
    .argument('<name>')
    .action(async (called: string, name: string, _: unknown, command: Command) => {
      const { client, one } = await find(command, called);
      const after = await client.call(editStorage, { params: { storageId: one.id }, body: { name } });
      show(cli, command, after, (now) => `storage ${now.id} is called ${now.name}\n`);
    });
  storage
    .command('remove')
    .alias('rm')
    .description('forget a storage that no VM has a disk in; what lies there stays')
    .argument('<storage>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const { client, one } = await find(command, called);
      await client.call(deleteStorage, { params: { storageId: one.id } });
      show(cli, command, one, () => `removed storage ${one.name}\n`);
    });
  storage.addCommand(sweepCommand(cli));
  return storage;
}

/** Changes nothing unless it is told to: who reads what would go has seen it first. */
function sweepCommand(cli: Cli): Command {
  return new Command('sweep')
    .description('find disks and snapshots that belong to nobody; with --remove, remove or release them')
    .argument('[storage]', 'name or id; all of them where not given')
    .option('--dry-run', 'only say what would be done, which is what happens without --remove')
    .option('--remove', 'do it')
    .addHelpText('after', '\nExamples:\n  oriel storage sweep\n  oriel storage sweep main --remove')
    .action(async (called: string | undefined, options: { dryRun?: boolean; remove?: boolean }, command: Command) => {
      if (options.dryRun === true && options.remove === true)
        throw new CliError('--dry-run and --remove cannot both be given', EXIT.usage);
      const client = await clientFor(cli, command);
      const all = await listAll(client, listStorages);
      const wanted = called === undefined ? all : [findOne('storage', all, called)];
      const found: Outcome[] = [];
      for (const { id } of wanted) {
        const params = { storageId: id };
        const { items } = await client.call(listOrphans, { params });
        if (options.remove !== true || items.length === 0) {
          found.push(...items.map((one) => ({ ...one, outcome: `would ${one.remedy}` })));
          continue;
        }
        const body = { orphans: items.map(({ diskId, snapshotId }) => ({ diskId, snapshotId })) };
        const { swept, kept } = await client.call(sweepStorage, { params, body });
        const isSwept = new Set(swept.map(keyOf));
        const reasons = new Map(kept.map((one) => [keyOf(one), one.why]));
        for (const one of items) {
          const outcome = isSwept.has(keyOf(one)) ? `${one.remedy}d` : `stayed: ${reasons.get(keyOf(one))}`;
          found.push({ ...one, outcome });
        }
      }
      show(cli, command, found, (rows) =>
        rows.length === 0 ? 'everything belongs to somebody\n' : table(rows, ORPHAN_COLUMNS, cli.terminal.columns),
      );
      const stayed = found.filter(({ outcome }) => outcome.startsWith('stayed'));
      if (0 < stayed.length) throw new CliError(`${stayed.length} of ${found.length} could not be swept`);
    });
}

type Outcome = StorageOrphan & { readonly outcome: string };

const keyOf = (one: Pick<StorageOrphan, 'diskId' | 'snapshotId'>): string => `${one.diskId} ${one.snapshotId}`;

const COLUMNS = [
  { title: 'name', value: (row: Storage) => row.name },
  { title: 'state', value: (row: Storage) => row.state },
  { title: 'disks', value: (row: Storage) => row.diskCount, isRight: true },
  { title: 'occupied', value: (row: Storage) => bytes(row.storedBytes), isRight: true },
  { title: 'free', value: (row: Storage) => (row.info === null ? null : bytes(row.info.freeBytes)), isRight: true },
  { title: 'faulted', value: (row: Storage) => row.faultedCount, isRight: true },
  { title: 'orphans', value: (row: Storage) => row.orphanCount, isRight: true },
  { title: 'id', value: (row: Storage) => row.id },
  { title: 'reason', value: (row: Storage) => row.reason },
];

const ORPHAN_COLUMNS = [
  { title: 'disk', value: (row: Outcome) => row.diskId },
  { title: 'snapshot', value: (row: Outcome) => row.snapshotId },
  { title: 'name', value: (row: Outcome) => row.name },
  { title: 'owner', value: (row: Outcome) => row.owner },
  { title: 'size', value: (row: Outcome) => bytes(row.storedBytes), isRight: true },
  { title: 'outcome', value: (row: Outcome) => row.outcome },
  { title: 'why', value: (row: Outcome) => row.why },
];

function storageSheet(storage: Storage): string {
  return sheet([
    ['name', storage.name],
    ['id', storage.id],
    ['state', storage.state],
    ['reason', storage.reason],
    ['disk service', storage.info?.version],
    ['disks', storage.diskCount],
    ['open', storage.info?.openDisks],
    ['occupied', bytes(storage.storedBytes)],
    ['free', storage.info === null ? null : bytes(storage.info.freeBytes)],
    ['faulted', storage.faultedCount],
    ['damaged', storage.brokenCount],
    ['orphans', storage.orphanCount],
    ['created', storage.createdAt],
  ]);
}
