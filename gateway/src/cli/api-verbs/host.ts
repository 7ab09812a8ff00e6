/** `oriel host …`: what runs VMs. */
import { Command, Option } from 'commander';
import { createHost, deleteHost, editHost, type Host, type HostKind, listHosts } from '../../../api/host.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, listAll } from '../base/lists.ts';
import { sheet, table } from '../base/output.ts';

export function hostCommand(cli: Cli): Command {
  const host = new Command('host').description('hosts, which run VMs');
  host
    .command('list')
    .alias('ls')
    .description('list hosts')
    .action(async (_: unknown, command: Command) => {
      const hosts = await listAll(await clientFor(cli, command), listHosts);
      show(cli, command, hosts, (rows) =>
        table(
          rows,
          [
            { title: 'name', value: (row) => row.name },
            { title: 'kind', value: (row) => row.kind },
            { title: 'state', value: stateOf },
            { title: 'vms', value: (row) => `${row.runningVmCount}/${row.vmCount}`, isRight: true },
            { title: 'runs on', value: (row) => row.info?.accelerator.name },
            { title: 'id', value: (row) => row.id },
            { title: 'reason', value: (row) => row.reason },
          ],
          cli.terminal.columns,
        ),
      );
    });
  host
    .command('show')
    .description('show one host')
    .argument('<host>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const one = findOne('host', await listAll(await clientFor(cli, command), listHosts), called);
      show(cli, command, one, hostSheet);
    });
  host
    .command('add')
    .description('add a host')
    .argument('<name>')
    .addOption(new Option('--kind <kind>', 'driver').choices(['qemu', 'fake']).default('qemu'))
    .option('--set <key=value...>', 'settings of the driver')
    .addHelpText('after', '\nExamples:\n  oriel host add lab --kind qemu --set folder=lab')
    .action(async (name: string, options: { kind: HostKind; set?: string[] }, command: Command) => {
      const client = await clientFor(cli, command);
      const made = await client.call(createHost, {
        body: { name, kind: options.kind, config: configOf(options.set ?? []) },
      });
      show(cli, command, made, (one) => `added host ${one.name} (${one.id})\n`);
    });
  host
    .command('remove')
    .alias('rm')
    .description('forget a host that has no VMs')
    .argument('<host>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      const one = findOne('host', await listAll(client, listHosts), called);
      await client.call(deleteHost, { params: { hostId: one.id } });
      show(cli, command, one, () => `removed host ${one.name}\n`);
    });
  host
    .command('maintenance')
    .description('in maintenance nothing is started on a host; what runs goes on')
    .argument('<host>', 'name or id')
    .argument('<on|off>')
    .action(async (called: string, onOff: string, _: unknown, command: Command) => {
      if (onOff !== 'on' && onOff !== 'off') throw new CliError(`say on or off, not ${onOff}`, EXIT.usage);
      const client = await clientFor(cli, command);
      const one = findOne('host', await listAll(client, listHosts), called);
      const body = { isInMaintenance: onOff === 'on' };
      const after = await client.call(editHost, { params: { hostId: one.id }, body });
      show(cli, command, after, (host1) => `${host1.name}: ${stateOf(host1)}\n`);
    });
  return host;
}

const stateOf = (host: Host): string => (host.isInMaintenance ? `${host.state}, maintenance` : host.state);

function configOf(pairs: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    pairs.map((pair) => {
      const at = pair.indexOf('=');
      if (at < 1) throw new CliError(`${pair} is not key=value`, EXIT.usage);
      return [pair.slice(0, at), pair.slice(at + 1)];
    }),
  );
}

function hostSheet(host: Host): string {
  return sheet([
    ['name', host.name],
    ['id', host.id],
    ['kind', host.kind],
    ['state', stateOf(host)],
    ['reason', host.reason],
    ['version', host.info?.version],
    ['cpus', host.info?.cpus],
    ['memory', host.info === null ? null : `${host.info.memoryMiB} MiB`],
    ['runs on', host.info?.accelerator.name],
    ['because', host.info?.accelerator.reason],
    ['facets', host.facets.join(', ')],
    ['vms', `${host.runningVmCount} of ${host.vmCount} run`],
  ]);
}
