/** `oriel vm list`, `show`, `log` and `console`: what a VM is doing. */
import { Command, Option } from 'commander';
import type { Client } from '../../../api/client.ts';
import { listHosts } from '../../../api/host.ts';
import { getVmLog, getVmSerialLog, listVms, type Vm } from '../../../api/vm.ts';
import { wholeNumber } from '../base/arguments.ts';
import { type Cli, clientFor, globals, show } from '../base/context.ts';
import { findOne, findVm, listAll } from '../base/lists.ts';
import { ago, sheet, table } from '../base/output.ts';

export function listCommand(cli: Cli): Command {
  return new Command('list')
    .alias('ls')
    .description('list VMs')
    .option('--state <state>', 'only those in this state')
    .option('--host <host>', 'only those on this host')
    .addHelpText('after', '\nExamples:\n  oriel vm list --state running\n  oriel vm list --json | jq -r ".[].id"')
    .action(async (options: { state?: string; host?: string }, command: Command) => {
      const client = await clientFor(cli, command);
      const host =
        options.host === undefined ? undefined : findOne('host', await listAll(client, listHosts), options.host).id;
      const vms = await listAll(client, listVms, { state: options.state, host });
      show(cli, command, vms, (rows) =>
        table(
          rows,
          [
            { title: 'name', value: (row) => row.name },
            { title: 'state', value: (row) => row.state },
            { title: 'host', value: (row) => row.hostName },
            { title: 'cpus', value: (row) => row.hardware.vcpus, isRight: true },
            { title: 'memory', value: (row) => `${row.hardware.memoryMiB} MiB`, isRight: true },
            { title: 'up', value: (row) => ago(row.startedAt, cli.now()), isRight: true },
            { title: 'id', value: (row) => row.id },
            { title: 'reason', value: (row) => row.reason },
          ],
          cli.terminal.columns,
        ),
      );
    });
}

export function showCommand(cli: Cli): Command {
  return new Command('show')
    .description('show one VM')
    .argument('<vm>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      show(cli, command, await findVm(client, called), (vm) => vmSheet(vm, cli.now()));
    });
}

export function consoleCommand(cli: Cli): Command {
  return new Command('console')
    .description('attach to the serial console; Ctrl-] leaves')
    .argument('<vm>', 'name or id')
    .action(async (called: string, _: unknown, self: Command) => {
      const client = await clientFor(cli, self);
      const vm = await findVm(client, called);
      const { attachConsole } = await import('./console.ts');
      await attachConsole(cli, globals(self), client, vm.id);
    });
}

export function logCommand(cli: Cli): Command {
  return new Command('log')
    .description('what the guest wrote to its serial port, its last lines; or with --events what happened to the VM')
    .argument('<vm>', 'name or id')
    .addOption(new Option('--lines <n>', 'how many lines of the serial log').argParser(wholeNumber).conflicts('events'))
    .option('--events', 'what happened to the VM, newest first')
    .addHelpText('after', '\nExamples:\n  oriel vm log desk-7 --lines 50\n  oriel vm log desk-7 --events --json')
    .action(async (called: string, options: { lines?: number; events?: boolean }, self: Command) => {
      const client = await clientFor(cli, self);
      const vm = await findVm(client, called);
      if (options.events === true) return await showEvents(cli, self, client, vm);
      const query = options.lines === undefined ? {} : { lines: options.lines };
      const serial = await client.call(getVmSerialLog, { params: { vmId: vm.id }, query });
      show(cli, self, serial, ({ text }) => printable(text));
    });
}

async function showEvents(cli: Cli, command: Command, client: Client, vm: Vm): Promise<void> {
  const { items } = await client.call(getVmLog, { params: { vmId: vm.id } });
  show(cli, command, items, (rows) =>
    table(
      rows,
      [
        { title: 'at', value: (row) => row.at },
        { title: 'level', value: (row) => row.level },
        { title: 'event', value: (row) => row.event },
        { title: 'message', value: (row) => row.message },
      ],
      cli.terminal.columns,
    ),
  );
}

/** A guest wrote it: nothing of it may steer the terminal of who reads it. `--json` has it as it was. */
function printable(text: string): string {
  const plain = text.replaceAll('\r\n', '\n').replace(/[^\P{Cc}\n\t]/gu, '');
  return plain === '' || plain.endsWith('\n') ? plain : `${plain}\n`;
}

export function vmSheet(vm: Vm, now: number): string {
  return sheet([
    ['name', vm.name],
    ['id', vm.id],
    ['description', vm.description],
    ['state', vm.state],
    ['wanted', vm.wanted],
    ['reason', vm.reason],
    ['host', vm.hostName],
    ['runs on', vm.accelerator],
    ['up', ago(vm.startedAt, now)],
    ['boots', vm.boots],
    ['cpus', vm.hardware.vcpus],
    ['memory', `${vm.hardware.memoryMiB} MiB`],
    ['machine', `${vm.hardware.machine}, ${vm.hardware.firmware}, video ${vm.hardware.video}`],
    ['disks', vm.disks.map((disk) => `${disk.diskId} (${disk.bus})`).join(', ')],
    ['cd', vm.cdImageId],
    ['session rules', Object.keys(vm.sessionRules).length === 0 ? 'the defaults' : JSON.stringify(vm.sessionRules)],
    ['at next start', vm.pendingRestart.join(', ')],
    ['created', vm.createdAt],
  ]);
}
