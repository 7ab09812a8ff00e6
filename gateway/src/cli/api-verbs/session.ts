/** `oriel session …`: who is connected to what. */
import { Command } from 'commander';
import { endSession, listSessions, type Session } from '../../../api/session.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { listAll } from '../base/lists.ts';
import { ago, bytes, table } from '../base/output.ts';

export function sessionCommand(cli: Cli): Command {
  const session = new Command('session').description('connections of people to desktops');
  session
    .command('list')
    .alias('ls')
    .description('list sessions, newest first')
    .option('--ended', 'also those that have ended')
    .action(async (options: { ended?: boolean }, command: Command) => {
      const query = { ended: options.ended === true ? 'true' : 'false' };
      const sessions = await listAll(await clientFor(cli, command), listSessions, query);
      show(cli, command, sessions, (rows) =>
        table(
          rows,
          [
            { title: 'user', value: (row) => row.userName },
            { title: 'desktop', value: (row) => row.desktopName },
            { title: 'kind', value: (row) => row.kind },
            { title: 'mode', value: (row) => row.mode },
            { title: 'state', value: (row) => stateOf(row, cli.now()) },
            { title: 'since', value: (row) => ago(row.createdAt, cli.now()), isRight: true },
            { title: 'out', value: (row) => bytes(row.bytesOut), isRight: true },
            { title: 'id', value: (row) => row.id },
          ],
          cli.terminal.columns,
        ),
      );
    });
  session
    .command('end')
    .description('end sessions')
    .argument('<id...>')
    .action(async (ids: string[], _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      for (const sessionId of ids) await client.call(endSession, { params: { sessionId } });
      show(cli, command, ids, (all) => all.map((id) => `ended ${id}\n`).join(''));
    });
  return session;
}

/** Of one that was left: how long its user can still come back to it. */
function stateOf({ state, end, keptUntil }: Session, now: number): string {
  if (keptUntil === null) return end ?? state;
  return `${state}, ends in ${ago(new Date(now).toISOString(), Date.parse(keptUntil))}`;
}
