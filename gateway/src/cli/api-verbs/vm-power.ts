/** `oriel vm start`, `stop` and the other verbs that many VMs take at once, and `delete`. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, Option } from 'commander';
import type { Client } from '../../../api/client.ts';
import {
  deleteVm,
  getVm,
  listVms,
  pauseVm,
  resetVm,
  resumeVm,
  saveVm,
  startVm,
  stopVm,
  type Vm,
} from '../../../api/vm.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { shownLines } from '../base/output.ts';

/** The verbs that want a state, each with the state that `--wait` waits for. */
export function powerCommands(cli: Cli): Command[] {
  const POWER = [
    { name: 'start', route: startVm, until: ['running'], asked: 'starting', text: 'start VMs, or resume saved ones' },
    {
      name: 'reset',
      route: resetVm,
      until: ['running'],
      asked: 'resetting',
      text: 'reset running VMs, as their button would',
    },
    { name: 'pause', route: pauseVm, until: ['paused'], asked: 'pausing', text: 'stop the CPUs; memory stays' },
    { name: 'resume', route: resumeVm, until: ['running'], asked: 'resuming', text: 'let paused VMs go on' },
    {
      name: 'save',
      route: saveVm,
      until: ['saved'],
      asked: 'saving',
      text: 'write the memory to a file and stop; start resumes',
    },
  ] as const;
  const commands = POWER.map(({ name, route, until, asked, text }) =>
    new Command(name)
      .description(text)
      .argument('<vm...>', 'names or ids')
      .option('--wait', 'until it is so')
      .action(async (called: string[], options: { wait?: boolean }, self: Command) => {
        const client = await clientFor(cli, self);
        const wait = options.wait === true ? until : undefined;
        await each(cli, self, client, called, { asked, wait }, (vmId) => client.call(route, { params: { vmId } }));
      }),
  );
  const stop = new Command('stop')
    .description('ask guests to shut down and force them after a grace')
    .argument('<vm...>', 'names or ids')
    .option('--force', 'at once; also throws a saved state away')
    .option('--wait', 'until it is so')
    .action(async (called: string[], options: { force?: boolean; wait?: boolean }, self: Command) => {
      const client = await clientFor(cli, self);
      const body = { force: options.force === true };
      const goal: Goal = { asked: 'stopping', wait: options.wait === true ? ['stopped'] : undefined };
      await each(cli, self, client, called, goal, (vmId) => client.call(stopVm, { params: { vmId }, body }));
    });
  return [...commands, stop];
}

interface Goal {
  /** What is said of a VM that was only asked to. */
  readonly asked: string;
  /** With `--wait`: the states that it is waited for. */
  readonly wait: readonly Vm['state'][] | undefined;
}

/** Does it for each VM; one that fails does not keep the others from it, but the command then fails. */
async function each(
  cli: Cli,
  command: Command,
  client: Client,
  called: readonly string[],
  { asked, wait }: Goal,
  verb: (vmId: string) => Promise<Vm>,
): Promise<void> {
  const all = await listAll(client, listVms);
  const done: Vm[] = [];
  const failures: unknown[] = [];
  for (const one of called) {
    try {
      const vm = await verb(findOne('VM', all, one).id);
      done.push(wait === undefined ? vm : await waitFor(client, vm, wait));
    } catch (error) {
      if (1 < called.length) cli.terminal.err(shownLines(`oriel: ${one}: ${(error as Error).message}\n`));
      failures.push(error);
    }
  }
  if (0 < done.length) {
    // Without --wait it has only been asked for: the state of this moment is mostly still the one before.
    const said = ({ state }: Vm): string =>
      wait !== undefined || state === asked ? state : `${asked}, ${state} until then`;
    show(cli, command, done, (vms) => vms.map((vm) => `${vm.name}: ${said(vm)}\n`).join(''));
  }
  if (0 < failures.length) throw failures[0];
}

const UNDER_WAY: readonly Vm['state'][] = ['starting', 'stopping', 'saving', 'deleting', 'unknown'];
const WAIT = { everyMs: 200, forMs: 180_000 } as const;

async function waitFor(client: Client, asked: Vm, until: readonly Vm['state'][]): Promise<Vm> {
  const giveUpAt = Date.now() + WAIT.forMs;
  for (;;) {
    const vm = await client.call(getVm, { params: { vmId: asked.id } });
    if (until.includes(vm.state)) return vm;
    // A step that failed is tried again, but not for us: its reason stands while nothing is under way.
    const isStuck = vm.state === 'failed' || (vm.reason !== null && !UNDER_WAY.includes(vm.state));
    if (isStuck) throw new CliError(`VM ${vm.name}: ${vm.reason ?? 'it failed'}`);
    if (giveUpAt < Date.now()) throw new CliError(`VM ${vm.name} is still ${vm.state}`);
    await sleep(WAIT.everyMs);
  }
}

export function deleteCommand(cli: Cli): Command {
  return new Command('delete')
    .alias('rm')
    .description('stop and remove VMs')
    .argument('<vm...>', 'names or ids')
    .addOption(
      new Option('--disks <what>', 'what happens to their disks').choices(['keep', 'delete']).makeOptionMandatory(),
    )
    .addHelpText('after', '\nExamples:\n  oriel vm delete desk-7 --disks delete')
    .action(async (called: string[], options: { disks: 'keep' | 'delete' }, self: Command) => {
      const client = await clientFor(cli, self);
      const goal: Goal = { asked: 'deleting', wait: undefined };
      await each(cli, self, client, called, goal, (vmId) =>
        client.call(deleteVm, { params: { vmId }, query: { disks: options.disks } }),
      );
    });
}
