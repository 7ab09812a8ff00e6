/** `oriel desktop …`: what the caller may open. */
import { Command } from 'commander';
import { listDesktops } from '../../../api/desktop.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { listAll } from '../base/lists.ts';
import { table } from '../base/output.ts';

export function desktopCommand(cli: Cli): Command {
  const desktop = new Command('desktop').description('what you may open');
  desktop
    .command('list')
    .alias('ls')
    .description('list your desktops')
    .action(async (_: unknown, command: Command) => {
      const desktops = await listAll(await clientFor(cli, command), listDesktops);
      show(cli, command, desktops, (rows) =>
        table(
          rows,
          [
            { title: 'name', value: (row) => row.name },
            { title: 'state', value: (row) => row.state },
            { title: 'rights', value: (row) => row.rights.join(' ') },
            { title: 'id', value: (row) => row.id },
            { title: 'reason', value: (row) => row.reason },
          ],
          cli.terminal.columns,
        ),
      );
    });
  return desktop;
}
