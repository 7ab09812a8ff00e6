/**
 * `oriel disks`: runs the disk service, and asks it things. Exit status: 0 done, 1 failed, 64 wrong usage.
 */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { VhdError } from '../errors.ts';
import type { DiskInfo, TaskInfo } from '../service/api.ts';
import { connectDiskService, type DiskServiceClient } from '../service/client.ts';
import { type RunDiskServiceOptions, runDiskService } from '../service/start.ts';
import { formatSize, parseSize } from '../units.ts';

/** What the commands need from outside; a test gives its own. */
export interface DisksCommandOptions {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: (line: string) => void;
  readonly err: (line: string) => void;
  readonly version: string;
}

const PROCESS: DisksCommandOptions = {
  env: process.env,
  out: (line) => void process.stdout.write(`${line}\n`),
  err: (line) => void process.stderr.write(`${line}\n`),
  version: '0.1.0',
};

interface ServeFlags {
  readonly storage: string;
  readonly socket: string;
  readonly runDir?: string;
  readonly threads?: number;
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

interface AskFlags {
  readonly socket: string;
  readonly json?: boolean;
}

/** Where the data folder is when nobody says: `ORIEL_DATA`, or the user's XDG data folder. */
function dataFolder(env: DisksCommandOptions['env']): string {
  return env['ORIEL_DATA'] ?? join(env['XDG_DATA_HOME'] ?? join(homedir(), '.local', 'share'), 'oriel');
}

/** The `disks` command with its verbs. */
export function disksCommand(options: Partial<DisksCommandOptions> = {}): Command {
  const context = { ...PROCESS, ...options };
  const data = dataFolder(context.env);
  const socket = join(data, 'disks.sock');
  const command = new Command('disks').description('the disk service: VHD chains under running VMs');
  command.addCommand(serveVerb(context, join(data, 'disks'), socket));
  const verb = (name: string, text: string, example: string): Command => {
    const made = new Command(name).description(text).option('--socket <path>', 'control socket of the service', socket);
    made.option('--json', 'answer as JSON').addHelpText('after', `\nExample:\n  ${example}`);
    command.addCommand(made);
    return made;
  };
  verb('list', 'lists disks', 'oriel disks list').action(ask(context, listDisks));
  verb('images', 'lists the images of the library', 'oriel disks images').action(ask(context, listImages));
  verb('show', 'shows a disk', 'oriel disks show web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.getDisk({ id }))(flags));
  verb('create', 'makes a disk: blank, or a linked clone of an image', 'oriel disks create web --from debian-12')
    .argument('<name>')
    .option('--from <image>', 'the image to clone')
    .option('--size <size>', 'bytes, or 40G and the like', size)
    .action((name: string, flags: AskFlags & { from?: string; size?: number }) => {
      const { from, size: sizeBytes } = flags;
      if (from === undefined && sizeBytes === undefined) throw new InvalidArgumentError('give --from or --size');
      const source =
        from === undefined
          ? ({ from: 'blank', sizeBytes: sizeBytes ?? 0 } as const)
          : ({ from: 'image', imageId: from, ...(sizeBytes === undefined ? {} : { sizeBytes }) } as const);
      return ask(context, (client) => client.createDisk({ name, source }))(flags);
    });
  verb('import', 'takes a file into the library', 'oriel disks import /srv/debian.vhd --name "Debian 12" --template')
    .argument('<file>')
    .requiredOption('--name <name>')
    .option('--template', 'seal it: clones are made from it')
    .action((path: string, flags: AskFlags & { name: string; template?: boolean }) => {
      const kind = flags.template === true ? 'template' : 'image';
      return ask(context, async (client) =>
        client.waitForTask((await client.importImage({ name: flags.name, path, kind })).id),
      )(flags);
    });
  verb('open', 'serves a disk under a new lease; an older one is cut off', 'oriel disks open web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.openDisk({ id }))(flags));
  verb('close', 'ends the export of a disk', 'oriel disks close web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.closeDisk({ id }))(flags));
  verb('remove', 'removes a closed disk', 'oriel disks remove web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.removeDisk({ id }))(flags));
  addLiveVerbs(verb, context);
  verb('tasks', 'lists tasks', 'oriel disks tasks').action(ask(context, listTasks));
  verb('health', 'tells how the service is', 'oriel disks health').action(ask(context, (client) => client.health()));
  verb('stop', 'closes every disk and ends the service', 'oriel disks stop').action(
    ask(context, (client) => client.stop()),
  );
  return command;
}

type MakeVerb = (name: string, text: string, example: string) => Command;

/** The verbs that change a chain, also under a running VM. They wait for the end of their task. */
function addLiveVerbs(verb: MakeVerb, context: DisksCommandOptions): void {
  const wait = (work: (client: DiskServiceClient) => Promise<TaskInfo>) =>
    ask(context, async (client) => client.waitForTask((await work(client)).id));
  const rate = '--rate <size>';
  const rateText = 'bytes a second at most, 50M and the like';
  verb(
    'snapshot',
    'seals the leaves of disks at one instant',
    'oriel disks snapshot web-1a2b3c4d --name "before the update"',
  )
    .argument('<disks...>')
    .requiredOption('--name <name>')
    .action((ids: readonly string[], flags: AskFlags & { name: string }) =>
      wait((client) => client.snapshotDisks({ ids, name: flags.name }))(flags),
    );
  verb(
    'remove-snapshot',
    'folds a snapshot away',
    'oriel disks remove-snapshot web-1a2b3c4d before-the-update-5e6f7a8b',
  )
    .argument('<disk>')
    .argument('<snapshot>')
    .option(rate, rateText, size)
    .action((id: string, snapshotId: string, flags: AskFlags & RateFlag) =>
      wait((client) => client.removeSnapshot({ id, snapshotId, ...rateOf(flags) }))(flags),
    );
  verb('merge', 'folds a snapshot down into the one below', 'oriel disks merge web-1a2b3c4d tuesday-5e6f7a8b')
    .argument('<disk>')
    .argument('<snapshot>')
    .option(rate, rateText, size)
    .action((id: string, snapshotId: string, flags: AskFlags & RateFlag) =>
      wait((client) => client.mergeDown({ id, snapshotId, ...rateOf(flags) }))(flags),
    );
  verb('commit', 'makes what the leaf holds permanent', 'oriel disks commit kiosk-1a2b3c4d')
    .argument('<disk>')
    .option(rate, rateText, size)
    .action((id: string, flags: AskFlags & RateFlag) =>
      wait((client) => client.commitLeaf({ id, ...rateOf(flags) }))(flags),
    );
  verb('discard', 'throws away what the leaf holds', 'oriel disks discard kiosk-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => wait((client) => client.discardLeaf({ id }))(flags));
  verb('grow', 'makes a disk larger', 'oriel disks grow web-1a2b3c4d --size 80G')
    .argument('<disk>')
    .requiredOption('--size <size>', 'the new size', size)
    .action((id: string, flags: AskFlags & { size: number }) =>
      wait((client) => client.growDisk({ id, sizeBytes: flags.size }))(flags),
    );
  verb(
    'reparent',
    'puts another base of the same content under a disk',
    'oriel disks reparent web-1a2b3c4d --image debian-12',
  )
    .argument('<disk>')
    .option('--image <image>', 'an image of the library')
    .option('--file <path>', 'a restore point outside of it')
    .option('--snapshot <snapshot>', 'the snapshot whose place the base takes; with all below it')
    .action((id: string, flags: AskFlags & { image?: string; file?: string; snapshot?: string }) => {
      const { image, file, snapshot } = flags;
      if ((image === undefined) === (file === undefined)) throw new InvalidArgumentError('give --image or --file');
      const to = image === undefined ? { path: file ?? '' } : { imageId: image };
      return wait((client) =>
        client.reparentDisk({ id, to, ...(snapshot === undefined ? {} : { snapshotId: snapshot }) }),
      )(flags);
    });
  verb('check', 'looks for damage', 'oriel disks check web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => wait((client) => client.checkDisk({ id }))(flags));
  verb('stats', 'counts requests since the disk was opened', 'oriel disks stats web-1a2b3c4d')
    .argument('<disk>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.diskStats({ id }))(flags));
  verb('cancel', 'stops a task', 'oriel disks cancel 0b0e7c1e-…')
    .argument('<task>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.cancelTask({ id }))(flags));
  verb('seal', 'makes a template of an image', 'oriel disks seal debian-12')
    .argument('<image>')
    .action((id: string, flags: AskFlags) => ask(context, (client) => client.sealImage({ id }))(flags));
}

interface RateFlag {
  readonly rate?: number;
}

const rateOf = ({ rate }: RateFlag): { readonly bytesPerSecond?: number } =>
  rate === undefined ? {} : { bytesPerSecond: rate };

function serveVerb(context: DisksCommandOptions, storage: string, socket: string): Command {
  return new Command('serve')
    .description('runs the disk service until it is told to stop')
    .option('--storage <folder>', 'the folder of images and disks', storage)
    .option('--socket <path>', 'control socket', socket)
    .option('--run-dir <folder>', "folder of the disks' sockets (a short path)")
    .option('--listen <address>', 'serve disks that are opened so to other machines, on this address, over TLS')
    .option('--tls-cert <file>', 'certificate of the server (PEM)')
    .option('--tls-key <file>', 'its key (PEM)')
    .option('--tls-ca <file>', 'the authority that signed the certificates of clients (PEM)')
    .option('--threads <count>', 'threads that serve disks; 0: none but the main one', wholeNumber)
    .addHelpText('after', '\nExample:\n  oriel disks serve --storage /srv/oriel/disks --socket /run/oriel/disks.sock')
    .action(async (flags: ServeFlags) => {
      const log = (event: string, fields: Readonly<Record<string, unknown>>): void =>
        context.err(JSON.stringify({ time: new Date().toISOString(), event, ...fields }));
      const runtimeFolder = context.env['XDG_RUNTIME_DIR'];
      const running = await orFail(context, async () => {
        const remote = remoteOf(flags);
        return runDiskService({
          storage: flags.storage,
          socketPath: flags.socket,
          ...(flags.runDir === undefined ? {} : { runFolder: flags.runDir }),
          ...(runtimeFolder === undefined ? {} : { runtimeFolder }),
          ...(flags.threads === undefined ? {} : { threads: flags.threads }),
          ...(remote === undefined ? {} : { remote }),
          version: context.version,
          log,
        });
      });
      if (running === undefined) return;
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void running.close());
      log('service.started', { storage: flags.storage, socket: flags.socket, pid: process.pid });
      await running.stopped;
      log('service.stopped', {});
    });
}

/** Errors: USAGE. */
function remoteOf({
  listen,
  tlsCert,
  tlsKey,
  tlsCa,
}: ServeFlags): NonNullable<RunDiskServiceOptions['remote']> | undefined {
  if (listen === undefined) return undefined;
  const read = (file: string | undefined, name: string): string => {
    if (file === undefined) throw new VhdError('USAGE', `--listen needs ${name}`);
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw new VhdError('USAGE', `cannot read ${file}`, { cause });
    }
  };
  return {
    host: listen,
    tls: { cert: read(tlsCert, '--tls-cert'), key: read(tlsKey, '--tls-key'), ca: read(tlsCa, '--tls-ca') },
  };
}

/** Runs one verb and writes what it answers. */
function ask(
  context: DisksCommandOptions,
  work: (client: DiskServiceClient, write: (line: string) => void) => Promise<unknown>,
) {
  return async (flags: AskFlags): Promise<void> => {
    const client = connectDiskService(flags.socket);
    const lines: string[] = [];
    await orFail(context, async () => {
      const answer = await work(client, (line) => lines.push(line));
      if (flags.json === true || lines.length === 0) context.out(JSON.stringify(answer ?? null, undefined, 2));
      else for (const line of lines) context.out(line);
    });
    client.disconnect();
  };
}

async function orFail<T>(context: DisksCommandOptions, work: () => Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof VhdError)) throw error;
    context.err(`oriel: ${error.message}`);
    process.exitCode = error.code === 'USAGE' ? 64 : 1;
    return undefined;
  }
}

async function listDisks(client: DiskServiceClient, write: (line: string) => void): Promise<readonly DiskInfo[]> {
  const disks = await client.listDisks();
  for (const disk of disks) {
    const links = `${disk.chainLength} links${disk.isChainLong ? ' (long: merge snapshots)' : ''}`;
    write(
      [disk.id, disk.state.state, formatSize(disk.sizeBytes), formatSize(disk.storedBytes), links, disk.name].join(
        '\t',
      ),
    );
  }
  return disks;
}

async function listImages(client: DiskServiceClient, write: (line: string) => void): Promise<unknown> {
  const images = await client.listImages();
  for (const image of images)
    write([image.id, image.kind, formatSize(image.sizeBytes), image.health.state, image.name].join('\t'));
  return images;
}

async function listTasks(client: DiskServiceClient, write: (line: string) => void): Promise<readonly TaskInfo[]> {
  const tasks = await client.listTasks();
  for (const task of tasks) {
    const done = task.progress === null ? '' : `${Math.round(task.progress * 100)} %`;
    write([task.id, task.kind, task.target, task.state, done, task.error?.message ?? ''].join('\t'));
  }
  return tasks;
}

function size(text: string): number {
  try {
    return parseSize(text);
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error));
  }
}

function wholeNumber(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}
