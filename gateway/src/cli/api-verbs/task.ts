/** `oriel task …`: long work. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import type { Client } from '../../../api/client.ts';
import { cancelTask, getTask, listTasks, type Task } from '../../../api/task.ts';
import { shown } from '../../../api/text.ts';
import { type Cli, clientFor, globals, show } from '../base/context.ts';
import { CliError } from '../base/exit.ts';
import { listAll } from '../base/lists.ts';
import { ago, sheet, table } from '../base/output.ts';

export function taskCommand(cli: Cli): Command {
  const task = new Command('task').description('long work: imports, copies, merges');
  task
    .command('list')
    .alias('ls')
    .description('list tasks, newest first')
    .option('--state <state>', 'only those in this state')
    .action(async (options: { state?: string }, command: Command) => {
      const tasks = await listAll(await clientFor(cli, command), listTasks, { state: options.state });
      show(cli, command, tasks, (rows) =>
        table(
          rows,
          [
            { title: 'state', value: (row) => row.state },
            { title: 'done', value: percent, isRight: true },
            { title: 'task', value: (row) => row.title },
            { title: 'ago', value: (row) => ago(row.createdAt, cli.now()), isRight: true },
            { title: 'id', value: (row) => row.id },
            { title: 'error', value: (row) => row.error?.message },
          ],
          cli.terminal.columns,
        ),
      );
    });
  task
    .command('show')
    .description('show one task')
    .argument('<id>')
    .option('--wait', 'until it has ended')
    .action(async (taskId: string, options: { wait?: boolean }, command: Command) => {
      const client = await clientFor(cli, command);
      const one =
        options.wait === true
          ? await waitForTask(cli, command, client, taskId)
          : await client.call(getTask, { params: { taskId } });
      show(cli, command, one, taskSheet);
    });
  task
    .command('cancel')
    .description('ask a task to stop')
    .argument('<id>')
    .action(async (taskId: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      show(
        cli,
        command,
        await client.call(cancelTask, { params: { taskId } }),
        (one) => `${one.title}: ${one.state}\n`,
      );
    });
  return task;
}

const POLL_MS = 300;

/** Waits for the end, with the progress in the terminal; a task that fails makes the command fail. Without `isWaiting`: how it is now. */
export async function waitForTask(
  cli: Cli,
  command: Command,
  client: Client,
  taskId: string,
  isWaiting: boolean = true,
): Promise<Task> {
  const isShown = cli.terminal.columns !== undefined && globals(command).json !== true;
  for (;;) {
    const task = await client.call(getTask, { params: { taskId } });
    if (isShown) cli.terminal.err(`\r\u001b[K${shown(`${task.title}: ${percent(task)} ${task.step}`)}`);
    if (task.endedAt !== null) {
      if (isShown) cli.terminal.err('\r\u001b[K');
      if (task.state === 'done') return task;
      throw new CliError(`${task.title}: ${task.error?.message ?? task.state}`);
    }
    if (!isWaiting) return task;
    await sleep(POLL_MS);
  }
}

const percent = (task: Task): string => (task.progress === null ? '-' : `${Math.floor(task.progress * 100)}%`);

function taskSheet(task: Task): string {
  return sheet([
    ['task', task.title],
    ['id', task.id],
    ['kind', task.kind],
    ['state', task.state],
    ['done', percent(task)],
    ['step', task.step],
    ['started by', task.startedBy],
    ['created', task.createdAt],
    ['ended', task.endedAt],
    ['error', task.error === null ? null : `${task.error.message} (${task.error.code})`],
  ]);
}
