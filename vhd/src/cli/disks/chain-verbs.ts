/** The verbs of `oriel disk-service` that change a chain or read all of it, also under a running VM. */

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { VhdError } from '../../errors.ts';
import type { Finding } from '../../image/finding.ts';
import type { Owner } from '../../service/control/ids.ts';
import type { TaskInfo } from '../../service/control/task.ts';
import { formatSize } from '../../units.ts';
import { STATUS, size, type Verb } from '../base/cli.ts';
import { asTask, type DisksCli, owner, type TaskFlags, taskVerb } from './cli.ts';

interface RateFlags extends TaskFlags {
  readonly rate?: number;
}

const withRate = (command: Verb): Verb => {
  command.option('--rate <size>', 'bytes a second at most, 50M and the like', size);
  return command;
};
const rateOf = ({ rate }: RateFlags): { readonly bytesPerSecond?: number } =>
  rate === undefined ? {} : { bytesPerSecond: rate };

interface SnapshotFlags extends TaskFlags {
  readonly name: string;
  readonly owner?: Owner;
  readonly operation?: string;
}

export function snapshotVerb(cli: DisksCli): Command {
  const command = taskVerb(
    cli,
    'snapshot',
    'seal the leaves of disks at one instant',
    'oriel disk-service snapshot web-1a2b3c4d --name "before the update"',
  );
  command.argument('<disks...>');
  command.requiredOption('--name <name>', 'what people call it');
  command.option('--owner <owner>', 'whose it is: job:nightly and the like', owner);
  command.option('--operation <id>', 'asked again under the same id, it is not done twice');
  return asTask<SnapshotFlags>(
    cli,
    command,
    (client, args, { name, owner: whose, operation }) =>
      client.snapshotDisks({
        ids: args.flat(),
        name,
        ...(whose === undefined ? {} : { owner: whose }),
        ...(operation === undefined ? {} : { operationId: operation }),
      }),
    ({ result }) => Object.entries(result?.['snapshots'] ?? {}).map(([disk, id]) => `${disk}: snapshot ${id}`),
  );
}

export function removeSnapshotVerb(cli: DisksCli): Command {
  const command = withRate(
    taskVerb(
      cli,
      'remove-snapshot',
      'fold a snapshot away; the disk and its other snapshots stay the same',
      'oriel disk-service remove-snapshot web-1a2b3c4d before-the-update-5e6f7a8b',
    ),
  );
  command.argument('<disk>').argument('<snapshot>');
  return asTask<RateFlags>(cli, command, (client, [id = '', snapshotId = ''], flags) =>
    client.removeSnapshot({ id, snapshotId, ...rateOf(flags) }),
  );
}

export function mergeVerb(cli: DisksCli): Command {
  const command = withRate(
    taskVerb(
      cli,
      'merge',
      'fold a snapshot down into the one below, which it replaces',
      'oriel disk-service merge web-1a2b3c4d tuesday-5e6f7a8b --rate 50M',
    ),
  );
  command.argument('<disk>').argument('<snapshot>');
  return asTask<RateFlags>(cli, command, (client, [id = '', snapshotId = ''], flags) =>
    client.mergeDown({ id, snapshotId, ...rateOf(flags) }),
  );
}

export function commitVerb(cli: DisksCli): Command {
  const command = withRate(
    taskVerb(cli, 'commit', 'make what the leaf holds permanent', 'oriel disk-service commit kiosk-1a2b3c4d'),
  );
  command.argument('<disk>');
  return asTask<RateFlags>(cli, command, (client, [id = ''], flags) => client.commitLeaf({ id, ...rateOf(flags) }));
}

export function discardVerb(cli: DisksCli): Command {
  const command = taskVerb(
    cli,
    'discard',
    'throw away what the leaf holds',
    'oriel disk-service discard kiosk-1a2b3c4d',
  );
  command.argument('<disk>');
  return asTask<TaskFlags>(cli, command, (client, [id = '']) => client.discardLeaf({ id }));
}

export function growVerb(cli: DisksCli): Command {
  const command = taskVerb(cli, 'grow', 'make a disk larger', 'oriel disk-service grow web-1a2b3c4d --size 80G');
  command.argument('<disk>');
  command.requiredOption('--size <size>', 'the new size', size);
  return asTask<TaskFlags & { readonly size: number }>(
    cli,
    command,
    (client, [id = ''], flags) => client.growDisk({ id, sizeBytes: flags.size }),
    (task) => [
      `${task.target} has ${formatSize(Number(task.result?.['sizeBytes']))} now`,
      'a VM that runs sees it once QEMU is told (QMP block_resize), or when it opens the disk again',
    ],
  );
}

interface ReparentFlags extends TaskFlags {
  readonly image?: string;
  readonly file?: string;
  readonly snapshot?: string;
}

export function reparentVerb(cli: DisksCli): Command {
  const command = taskVerb(
    cli,
    'reparent',
    'put another base of the same content under a disk',
    'oriel disk-service reparent web-1a2b3c4d --image debian-12',
  );
  command.argument('<disk>');
  command.option('--image <image>', 'an image of the library');
  command.option('--file <path>', 'a restore point outside of it');
  command.option('--snapshot <snapshot>', 'the snapshot whose place the base takes; with all below it');
  return asTask<ReparentFlags>(cli, command, (client, [id = ''], { image, file, snapshot }) =>
    client.reparentDisk({
      id,
      to: baseOf(image, file),
      ...(snapshot === undefined ? {} : { snapshotId: snapshot }),
    }),
  );
}

/** Errors: USAGE. */
function baseOf(
  image: string | undefined,
  file: string | undefined,
): { readonly imageId: string } | { readonly path: string } {
  if (image !== undefined && file === undefined) return { imageId: image };
  if (image === undefined && file !== undefined) return { path: resolve(file) };
  throw new VhdError('USAGE', 'give --image or --file');
}

export function checkVerb(cli: DisksCli): Command {
  const command = taskVerb(
    cli,
    'check',
    'look for damage in every link of a disk, the leaf only while it is closed',
    'oriel disk-service check web-1a2b3c4d',
  );
  command.argument('<disk>');
  return asTask<TaskFlags>(
    cli,
    command,
    (client, [id = '']) => client.checkDisk({ id }),
    (task) => {
      const leaf =
        task.result?.['isLeafChecked'] === true ? [] : [`${task.target}: open, so its leaf was not looked at`];
      const found = findingsOf(task).map(
        ({ severity, code, path, message }) => `${severity} ${code} ${path}: ${message}`,
      );
      return [...leaf, ...(found.length === 0 ? [`${task.target}: nothing found`] : found)];
    },
    (task) => (findingsOf(task).some(({ severity }) => severity !== 'note') ? STATUS.problems : STATUS.done),
  );
}

const findingsOf = ({ result }: TaskInfo): readonly Finding[] => (result?.['findings'] ?? []) as readonly Finding[];
