/** `oriel vm checkpoint`, `checkpoints`, `revert` and `checkpoint-delete`: all disks of a VM at one instant, and back. */
import { Command } from 'commander';
import {
  type Checkpoint,
  createCheckpoint,
  deleteCheckpoint,
  listCheckpoints,
  revertVm,
} from '../../../api/checkpoint.ts';
import type { Client } from '../../../api/client.ts';
import type { Vm } from '../../../api/vm.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { findOne, findVm } from '../base/lists.ts';
import { table } from '../base/output.ts';
import { waitForTask } from './task.ts';

export function checkpointCommands(cli: Cli): Command[] {
  return [takeCommand(cli), listCommand(cli), revertCommand(cli), deleteCommand(cli)];
}

function takeCommand(cli: Cli): Command {
  return new Command('checkpoint')
    .alias('snapshot')
    .description('take a checkpoint: all disks of a VM at one instant, also while it runs')
    .argument('<vm>', 'name or id')
    .argument('[name]', 'what it is called; the time where not given')
    .option('--memory', 'its memory too, where its host can')
    .addHelpText('after', '\nExamples:\n  oriel vm checkpoint desk-7 "before the update"')
    .action(async (called: string, name: string | undefined, options: { memory?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const vm = await findVm(client, called);
      const body = {
        name: name ?? new Date(cli.now()).toISOString().slice(0, 19).replace('T', ' '),
        withMemory: options.memory === true,
      };
      const made = await client.call(createCheckpoint, { params: { vmId: vm.id }, body });
      show(cli, command, made, (one) => `checkpoint ${one.name} (${one.id}): ${worthOf(one)}\n`);
    });
}

function listCommand(cli: Cli): Command {
  return new Command('checkpoints')
    .alias('snapshots')
    .description('list the checkpoints of a VM, as the tree that they are')
    .argument('<vm>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const { items } = await client.call(listCheckpoints, { params: { vmId: (await findVm(client, called)).id } });
      show(cli, command, items, (all) =>
        table(
          treeOf(all),
          [
            { title: 'name', value: ({ one, depth }) => `${'  '.repeat(depth)}${one.name}` },
            { title: 'taken', value: ({ one }) => one.createdAt },
            { title: 'consistent', value: ({ one }) => worthOf(one) },
            { title: 'now', value: ({ one }) => (one.isCurrent ? 'the VM stands on it' : null) },
            { title: 'id', value: ({ one }) => one.id },
          ],
          cli.terminal.columns,
        ),
      );
    });
}

function revertCommand(cli: Cli): Command {
  return new Command('revert')
    .description('set the disks of a VM that is off back to a checkpoint; what they hold now is kept as another')
    .argument('<vm>', 'name or id')
    .argument('<checkpoint>', 'name or id')
    .option('--discard', 'do not keep what they hold now')
    .addHelpText('after', '\nExamples:\n  oriel vm revert desk-7 "before the update"')
    .action(async (called: string, which: string, options: { discard?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const { vm, one } = await find(client, called, which);
      const params = { vmId: vm.id, checkpointId: one.id };
      const after = await client.call(revertVm, { params, body: { keep: options.discard !== true } });
      show(cli, command, after, () => `${vm.name} is as in checkpoint ${one.name}\n`);
    });
}

function deleteCommand(cli: Cli): Command {
  return new Command('checkpoint-delete')
    .alias('snapshot-delete')
    .description('delete a checkpoint; what the VM holds stays the same')
    .argument('<vm>', 'name or id')
    .argument('<checkpoint>', 'name or id')
    .action(async (called: string, which: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const { vm, one } = await find(client, called, which);
      const task = await client.call(deleteCheckpoint, { params: { vmId: vm.id, checkpointId: one.id } });
      await waitForTask(cli, command, client, task.id);
      show(cli, command, one, () => `deleted checkpoint ${one.name}\n`);
    });
}

async function find(client: Client, called: string, which: string): Promise<{ vm: Vm; one: Checkpoint }> {
  const vm = await findVm(client, called);
  const { items } = await client.call(listCheckpoints, { params: { vmId: vm.id } });
  return { vm, one: findOne('checkpoint', items, which) };
}

const worthOf = ({ consistency, reason }: Checkpoint): string => `${consistency}-consistent: ${reason}`;

interface Branch {
  readonly one: Checkpoint;
  readonly depth: number;
}

/** Each below its parent; one whose parent is gone stands by itself. */
function treeOf(all: readonly Checkpoint[]): Branch[] {
  const ids = new Set(all.map(({ id }) => id));
  const below = (parentId: string | null, depth: number): Branch[] =>
    all
      .filter((one) => (one.parentId !== null && ids.has(one.parentId) ? one.parentId : null) === parentId)
      .flatMap((one) => [{ one, depth }, ...below(one.id, depth + 1)]);
  return below(null, 0);
}
