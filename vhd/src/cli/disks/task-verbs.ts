/** `oriel disk-service tasks`, `wait`, `cancel`, and those about the service itself: `health`, `stop`. */
import type { Command } from 'commander';
import { asking, askVerb, type DisksCli, follow } from './cli.ts';
import { healthLines, taskLines, taskRow } from './lines.ts';

export function tasksVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'tasks',
    'list tasks, newest first: id, kind, disk or image, state, progress, error',
    'oriel disk-service tasks',
  );
  return asking(cli, command, async (client, { print }) => {
    const tasks = await client.listTasks();
    print(tasks, () => tasks.map(taskRow));
  });
}

export function waitVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'wait',
    'follow a task to its end; interrupting this cancels it',
    'oriel disk-service wait 0b0e7c1e-6f5d-4d55-9b43-0f5a3f8c2d11 --progress json',
  );
  command.argument('<task>');
  return asking(cli, command, async (client, run, [id = '']) => {
    const task = await follow(client, run, id);
    run.print(task, () => taskLines(task));
  });
}

export function cancelVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'cancel',
    'stop a task',
    'oriel disk-service cancel 0b0e7c1e-6f5d-4d55-9b43-0f5a3f8c2d11',
  );
  command.argument('<task>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    const task = await client.cancelTask({ id });
    print(task, () => [`${task.kind} of ${task.target}: told to stop`]);
  });
}

export function healthVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'health', 'tell how the service is', 'oriel disk-service health');
  return asking(cli, command, async (client, { print }) => {
    const health = await client.health();
    print(health, () => healthLines(health));
  });
}

export function stopVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'stop', 'close every disk and end the service', 'oriel disk-service stop');
  return asking(cli, command, async (client, { print }) => {
    await client.stop();
    print(null, () => ['stopped']);
  });
}
