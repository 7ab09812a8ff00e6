/** `oriel start`, `oriel stop` and `oriel status`: the gateway of this machine itself. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Command } from 'commander';
import { parseConfig } from '../../config.ts';
import { type DataFolder, dataFolderAt, isLocked, readNote } from '../../platform/process/data-folder.ts';
import { type Cli, globals, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { sheet } from '../base/output.ts';

const EXIT_MS = 2_000;
const STOP = { everyMs: 100, forMs: 30_000 } as const;

export function startCommand(cli: Cli, exitWith: (status: number) => void): Command {
  return new Command('start')
    .description('start the gateway in the foreground; Ctrl-C stops it, VMs run on')
    .option('--degraded', 'start although something in the library is damaged')
    .addHelpText(
      'after',
      '\nSettings come from the environment: ORIEL_LISTEN=host:port, ORIEL_DATA=folder, ORIEL_LOG=level, …\n\nExamples:\n  oriel start\n  ORIEL_LISTEN=127.0.0.1:0 ORIEL_DATA=/srv/oriel oriel start',
    )
    .action(async (options: { degraded?: boolean }) => {
      process.umask(0o077); // Whatever is made from here on is for our account alone.
      const { runGateway } = await import('../../start.ts');
      exitWith(await runGateway({ env: cli.env, isDegradedOk: options.degraded === true }, cli.terminal));
      // Whatever a peer left half open does not keep a stopped gateway alive.
      setTimeout(() => process.exit(), EXIT_MS).unref();
    });
}

export function stopCommand(cli: Cli): Command {
  return new Command('stop')
    .description('stop the gateway of this machine; VMs run on')
    .option('--all', 'stop the VMs and the disk service too; those that ran start again with the gateway')
    .option('--force', 'with --all: do not wait for guests to shut down')
    .addHelpText('after', '\nExamples:\n  oriel stop\n  oriel stop --all')
    .action(async (options: { all?: boolean; force?: boolean }, command: Command) => {
      const folder = dataFolderAt(parseConfig(cli.env).dataFolder);
      const wasRunning = await stopGateway(folder);
      if (options.all !== true) {
        if (!wasRunning) throw new CliError('no gateway runs here', EXIT.notFound);
        show(cli, command, { stopped: true }, () => 'the gateway has stopped; VMs run on\n');
        return;
      }
      const { stopAll } = await import('./stop-all.ts');
      const report = await stopAll(folder, parseConfig(cli.env).databaseUrl, options.force === true);
      show(cli, command, report, ({ vms }) => `stopped the gateway, ${vms.length} VMs and the disk service\n`);
    });
}

/** Ends the process that holds the data folder; true where there was one. */
async function stopGateway(folder: DataFolder): Promise<boolean> {
  if (!(await isLocked(folder))) return false;
  const note = readNote(folder);
  if (note === undefined) throw new CliError(`a gateway is starting on ${folder.root}: try again in a moment`);
  process.kill(note.pid, 'SIGTERM');
  for (let waitedMs = 0; waitedMs < STOP.forMs; waitedMs += STOP.everyMs) {
    if (!(await isLocked(folder))) return true;
    await sleep(STOP.everyMs);
  }
  throw new CliError(`the gateway (process ${note.pid}) does not stop`);
}

export function statusCommand(cli: Cli): Command {
  return new Command('status')
    .description('tell what runs on this machine')
    .action(async (_: unknown, command: Command) => {
      const { connectDiskService } = await import('@oriel/vhd');
      const folder = dataFolderAt(parseConfig(cli.env).dataFolder);
      const note = (await isLocked(folder)) ? readNote(folder) : undefined;
      const client = connectDiskService(folder.diskSocket);
      const disks = await client.health().catch(() => undefined);
      client.disconnect();
      const status = {
        dataFolder: folder.root,
        gateway: note === undefined ? null : { pid: note.pid, origin: note.origin },
        diskService:
          disks === undefined ? null : { pid: disks.pid, openDisks: disks.openDisks, freeBytes: disks.freeBytes },
      };
      show(cli, command, status, () =>
        sheet([
          ['data folder', folder.root],
          ['gateway', note === undefined ? 'stopped' : `${note.origin} (process ${note.pid})`],
          ['disk service', disks === undefined ? 'stopped' : `process ${disks.pid}, ${disks.openDisks} disks open`],
        ]),
      );
      if (note === undefined && globals(command).json !== true)
        throw new CliError('the gateway is stopped: oriel start', EXIT.unreachable);
    });
}
