/** `oriel audit …`: who did what to what, and who was refused. */
import { Command, Option } from 'commander';
import { listAudit, verifyAudit } from '../../../api/audit.ts';
import { wholeNumber } from '../base/arguments.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError } from '../base/exit.ts';
import { table } from '../base/output.ts';

interface AuditOptions {
  readonly limit: number;
  readonly actor?: string;
  readonly action?: string;
  readonly target?: string;
  readonly outcome?: string;
  readonly since?: string;
}

export function auditCommand(cli: Cli): Command {
  const audit = new Command('audit').description('the audit log');
  audit
    .command('list')
    .alias('ls')
    .description('list audit lines, newest first')
    .option('--limit <n>', 'at most so many', wholeNumber, 50)
    .option('--actor <id>')
    .option('--action <action>', 'such as vm.start')
    .option('--target <target>')
    .option('--since <time>', 'ISO 8601')
    .addOption(new Option('--outcome <outcome>').choices(['ok', 'refused', 'failed']))
    .addHelpText('after', '\nExamples:\n  oriel audit list --outcome refused --limit 20')
    .action(async (options: AuditOptions, command: Command) => {
      const client = await clientFor(cli, command);
      const { actor, limit, outcome, ...filters } = options;
      const query = { ...filters, limit: Math.min(limit, 500), actorId: actor, outcome: outcome as 'ok' | undefined };
      const { items } = await client.call(listAudit, { query });
      show(cli, command, items, (rows) =>
        table(
          rows,
          [
            { title: 'at', value: (row) => row.at },
            { title: 'who', value: (row) => row.actor.name },
            { title: 'action', value: (row) => row.action },
            { title: 'target', value: (row) => row.target },
            { title: 'outcome', value: (row) => row.code ?? row.outcome },
            { title: 'from', value: (row) => row.address },
          ],
          cli.terminal.columns,
        ),
      );
    });
  audit
    .command('verify')
    .description('find a line that was changed or removed')
    .action(async (_: unknown, command: Command) => {
      const found = await (await clientFor(cli, command)).call(verifyAudit, {});
      show(cli, command, found, (report) =>
        report.isIntact ? `${report.lines} lines from line ${report.from}, intact\n` : '',
      );
      if (!found.isIntact) throw new CliError(`the audit log is broken at line ${found.firstBad}: ${found.reason}`);
    });
  return audit;
}
