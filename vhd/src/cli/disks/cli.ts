/** What the verbs of `oriel disk-service` have in common: which service they ask, and how they wait for its tasks. */
import { type Command, InvalidArgumentError } from 'commander';
import { connectDiskService, type DiskServiceClient } from '../../service/control/client.ts';
import { checkOwner, type Owner } from '../../service/control/ids.ts';
import type { TaskInfo } from '../../service/control/task.ts';
import { action, type CommonFlags, plainVerb, type Run, type Verb, type VhdCli } from '../base/cli.ts';
import { taskLines } from './lines.ts';

/** What the commands need from outside; a test gives its own. */
export interface DisksCli extends VhdCli {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly version: string;
  /** The control socket where nobody names one. */
  readonly socket: string;
}

/** Flags of every verb that asks the service. */
export interface AskFlags extends CommonFlags {
  readonly socket: string;
}

/** A verb that asks the service. */
export function askVerb(cli: DisksCli, name: string, summary: string, example: string): Verb {
  const command = plainVerb(name, summary, example);
  command.option('--socket <path>', 'control socket of the service', cli.socket);
  return command;
}

/** Runs the work of such a verb with a client of the service. */
export function asking<Flags extends AskFlags>(
  cli: DisksCli,
  command: Command,
  work: (client: DiskServiceClient, run: Run, args: readonly string[], flags: Flags) => Promise<void>,
): Command {
  return action<Flags>(cli, command, async (run, args, flags) => {
    const client = connectDiskService(flags.socket);
    try {
      await work(client, run, args, flags);
    } finally {
      client.disconnect();
    }
  });
}

/** An option's value that is an owner. */
export function owner(text: string): Owner {
  try {
    return checkOwner(text);
  } catch (error) {
    throw new InvalidArgumentError((error as Error).message);
  }
}

/** The same, or the word `none`. */
export const ownerOrNobody = (text: string): Owner | 'none' => (text === 'none' ? text : owner(text));

/** Flags of a verb whose work is a task of the service. */
export interface TaskFlags extends AskFlags {
  /** False: `--no-wait`. */
  readonly wait: boolean;
}

/** A verb whose work is a task: it waits, shows progress, and cancels the task when it is interrupted. */
export function taskVerb(cli: DisksCli, name: string, summary: string, example: string): Verb {
  const command = askVerb(cli, name, summary, example);
  command.option('--no-wait', 'answer with the task at once; follow it with `oriel disk-service wait`');
  return command;
}

/** Starts the task and stays with it. `lines` says for people what came of it. */
export function asTask<Flags extends TaskFlags>(
  cli: DisksCli,
  command: Command,
  start: (client: DiskServiceClient, args: readonly string[], flags: Flags) => Promise<TaskInfo>,
  lines: (task: TaskInfo) => readonly string[] = taskLines,
  statusOf: (task: TaskInfo) => number = () => 0,
): Command {
  return asking<Flags>(cli, command, async (client, run, args, flags) => {
    const started = await start(client, args, flags);
    const task = flags.wait || started.state === 'failed' ? await follow(client, run, started.id) : started;
    run.print(task, () => (flags.wait ? lines(task) : taskLines(task)));
    cli.setStatus(task.state === 'done' ? statusOf(task) : 0);
  });
}

/** Waits for the end of a task. An interrupt cancels it. Errors: what the task failed with, CANCELLED, NOT_FOUND. */
export async function follow(client: DiskServiceClient, run: Run, id: string): Promise<TaskInfo> {
  const cancel = (): void => void client.cancelTask({ id }).catch(() => undefined);
  run.options.signal.addEventListener('abort', cancel, { once: true });
  if (run.options.signal.aborted) cancel();
  try {
    return await client.waitForTask(id, {
      onProgress: ({ kind, target, progress }) => run.onShare(progress, { task: id, kind, target }),
    });
  } finally {
    run.options.signal.removeEventListener('abort', cancel);
  }
}
