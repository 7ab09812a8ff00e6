/** `oriel vm …`: VMs through the API. */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { Client } from '../../shared/client.ts';
import { listDisks } from '../../shared/disk.ts';
import { listHosts } from '../../shared/host.ts';
import {
  createVm,
  deleteVm,
  editVm,
  getVm,
  getVmLog,
  getVmSerialLog,
  listVms,
  pauseVm,
  resetVm,
  resumeVm,
  saveVm,
  startVm,
  stopVm,
  type Vm,
  type VmSource,
} from '../../shared/vm.ts';
import { type Cli, clientFor, globals, show } from './context.ts';
import { CliError, EXIT } from './exit.ts';
import { findOne, listAll } from './lists.ts';
import { ago, parseBytes, sheet, table } from './output.ts';

export function vmCommand(cli: Cli): Command {
  const vm = new Command('vm').description('virtual machines');
  vm.addCommand(list(cli));
  vm.addCommand(show1(cli));
  vm.addCommand(create(cli));
  vm.addCommand(edit(cli));
  for (const verb of verbs(cli)) vm.addCommand(verb);
  vm.addCommand(remove(cli));
  vm.addCommand(console1(cli));
  vm.addCommand(log(cli));
  return vm;
}

function list(cli: Cli): Command {
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

function show1(cli: Cli): Command {
  return new Command('show')
    .description('show one VM')
    .argument('<vm>', 'name or id')
    .action(async (called: string, _: unknown, command: Command) => {
      const client = await clientFor(cli, command);
      show(cli, command, await findVm(client, called), (vm) => vmSheet(vm, cli.now()));
    });
}

interface HardwareOptions {
  readonly cpus?: number;
  readonly memory?: number;
  readonly machine?: Vm['hardware']['machine'];
  readonly firmware?: Vm['hardware']['firmware'];
  readonly video?: Vm['hardware']['video'];
  readonly agent?: boolean;
  readonly tpm?: boolean;
  readonly net?: boolean;
}

function withHardwareOptions(command: Command): Command {
  return command
    .option('--cpus <n>', 'virtual CPUs', wholeNumber)
    .option('--memory <size>', 'memory, such as 512M or 4G', mebibytes)
    .addOption(new Option('--machine <family>', 'machine family').choices(['pc', 'q35']))
    .addOption(new Option('--firmware <kind>', 'firmware').choices(['bios', 'uefi']))
    .addOption(new Option('--video <card>', 'video card').choices(['std', 'virtio', 'none']))
    .option('--net', 'a network card behind the host')
    .option('--no-agent', 'no channel for the guest agent')
    .option('--tpm', 'a TPM');
}

/** Only what was said; the rest is the gateway's or the VM's own. */
function hardwareOf(options: HardwareOptions, isNew: boolean): Partial<Vm['hardware']> {
  return {
    ...(options.cpus === undefined ? {} : { vcpus: options.cpus }),
    ...(options.memory === undefined ? {} : { memoryMiB: options.memory }),
    ...(options.machine === undefined ? {} : { machine: options.machine }),
    ...(options.firmware === undefined ? {} : { firmware: options.firmware }),
    ...(options.video === undefined ? {} : { video: options.video }),
    ...(options.tpm === undefined ? {} : { tpm: options.tpm }),
    ...(options.net === true ? { nics: [{ kind: 'user' as const }] } : {}),
    ...(isNew || options.agent === false ? { agent: options.agent ?? true } : {}),
  };
}

function create(cli: Cli): Command {
  const command = new Command('create')
    .description('make a VM')
    .argument('<name>')
    .option('--template <template>', 'a linked clone of this template')
    .option('--image <image>', 'a linked clone of this image')
    .option('--disk <disk>', 'a disk that no VM has')
    .option('--blank <size>', 'a new empty disk, such as 20G', sizeInBytes)
    .option('--cd <image>', 'put this disc image in the CD drive')
    .addOption(new Option('--bus <bus>', 'how the disk is attached').choices(['virtio-blk', 'virtio-scsi', 'ide']))
    .option('--host <host>', 'the host that runs it')
    .option('--description <text>')
    .option('--start', 'start it at once');
  return withHardwareOptions(command)
    .addHelpText(
      'after',
      '\nExamples:\n  oriel vm create desk-7 --template debian --memory 2G --start\n  oriel vm create lab --blank 20G --cd netinst.iso --net',
    )
    .action(async (name: string, options: CreateOptions, self: Command) => {
      const client = await clientFor(cli, self);
      const host =
        options.host === undefined ? undefined : findOne('host', await listAll(client, listHosts), options.host).id;
      const vm = await client.call(createVm, {
        body: {
          name,
          source: await sourceOf(client, options),
          hardware: hardwareOf(options, true),
          wanted: options.start === true ? 'running' : 'stopped',
          ...(options.bus === undefined ? {} : { bus: options.bus }),
          ...(options.description === undefined ? {} : { description: options.description }),
          ...(options.cd === undefined ? {} : { cdImageId: options.cd }),
          ...(host === undefined ? {} : { hostId: host }),
        },
      });
      show(cli, self, vm, (made) => `created VM ${made.name} (${made.id})\n`);
    });
}

interface CreateOptions extends HardwareOptions {
  readonly template?: string;
  readonly image?: string;
  readonly disk?: string;
  readonly blank?: number;
  readonly cd?: string;
  readonly bus?: 'virtio-blk' | 'virtio-scsi' | 'ide';
  readonly host?: string;
  readonly description?: string;
  readonly start?: boolean;
}

async function sourceOf(client: Client, options: CreateOptions): Promise<VmSource> {
  const given = [options.template, options.image, options.disk, options.blank].filter((one) => one !== undefined);
  if (1 < given.length) throw new CliError('give one of --template, --image, --disk and --blank', EXIT.usage);
  const find = async (kind: string, called: string): Promise<string> =>
    findOne(kind, await listAll(client, listDisks, { kind }), called).id;
  if (options.template !== undefined) return { from: 'template', templateId: await find('template', options.template) };
  if (options.image !== undefined) return { from: 'image', imageId: await find('image', options.image) };
  if (options.disk !== undefined) return { from: 'disk', diskId: await find('disk', options.disk) };
  if (options.blank !== undefined) return { from: 'blank', sizeBytes: options.blank };
  return { from: 'none' };
}

interface EditOptions extends HardwareOptions {
  readonly name?: string;
  readonly description?: string;
  readonly cd?: string;
  readonly eject?: boolean;
  readonly attach?: string[];
  readonly detach?: string[];
  readonly from?: string;
}

function edit(cli: Cli): Command {
  const command = new Command('edit')
    .description('change a VM; what is left out stays')
    .argument('<vm>', 'name or id')
    .option('--name <name>')
    .option('--description <text>')
    .option('--cd <image>', 'put this disc image in the CD drive')
    .option('--eject', 'take the disc out of the CD drive')
    .option('--attach <disk...>', 'add disks that no VM has')
    .option('--detach <disk...>', 'take disks away; they are kept')
    .option('--from <file>', 'a JSON file with the fields to change, - for standard input');
  return withHardwareOptions(command)
    .addHelpText('after', '\nExamples:\n  oriel vm edit desk-7 --memory 4G\n  oriel vm edit desk-7 --attach data-disk')
    .action(async (called: string, options: EditOptions, self: Command) => {
      const client = await clientFor(cli, self);
      const before = await findVm(client, called);
      const { etag } = await client.send(getVm, { params: { vmId: before.id } });
      const hardware = hardwareOf(options, false);
      const body = {
        ...(options.from === undefined ? {} : fieldsFrom(options.from)),
        ...(options.name === undefined ? {} : { name: options.name }),
        ...(options.description === undefined ? {} : { description: options.description }),
        ...(Object.keys(hardware).length === 0 ? {} : { hardware: { ...before.hardware, ...hardware } }),
        ...(options.cd === undefined ? {} : { cdImageId: options.cd }),
        ...(options.eject === true ? { cdImageId: null } : {}),
        ...(await diskChanges(client, before, options)),
      };
      const vm = await client.call(editVm, { params: { vmId: before.id }, body, ifMatch: etag });
      show(cli, self, vm, (after) => vmSheet(after, cli.now()));
    });
}

function fieldsFrom(file: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(readFileSync(file === '-' ? 0 : file, 'utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  } catch (cause) {
    throw new CliError(`cannot use ${file}: ${(cause as Error).message}`, EXIT.usage, { cause });
  }
  throw new CliError(`${file} does not hold a JSON object`, EXIT.usage);
}

async function diskChanges(client: Client, vm: Vm, options: EditOptions): Promise<{ disks?: Vm['disks'] }> {
  if (options.attach === undefined && options.detach === undefined) return {};
  const disks = await listAll(client, listDisks, { kind: 'disk' });
  const gone = new Set((options.detach ?? []).map((called) => findOne('disk', disks, called).id));
  const added = (options.attach ?? []).map((called) => ({
    diskId: findOne('disk', disks, called).id,
    bus: 'virtio-blk' as const,
  }));
  return { disks: [...vm.disks.filter((disk) => !gone.has(disk.diskId)), ...added] };
}

/** The verbs that want a state, each with the state that `--wait` waits for. */
function verbs(cli: Cli): Command[] {
  const POWER = [
    { name: 'start', route: startVm, until: ['running'], text: 'start VMs, or resume saved ones' },
    { name: 'reset', route: resetVm, until: ['running'], text: 'reset running VMs, as their button would' },
    { name: 'pause', route: pauseVm, until: ['paused'], text: 'stop the CPUs; memory stays' },
    { name: 'resume', route: resumeVm, until: ['running'], text: 'let paused VMs go on' },
    { name: 'save', route: saveVm, until: ['saved'], text: 'write the memory to a file and stop; start resumes' },
  ] as const;
  const commands = POWER.map(({ name, route, until, text }) =>
    new Command(name)
      .description(text)
      .argument('<vm...>', 'names or ids')
      .option('--wait', 'until it is so')
      .action(async (called: string[], options: { wait?: boolean }, self: Command) => {
        const client = await clientFor(cli, self);
        await each(cli, self, client, called, options.wait === true ? until : undefined, (vmId) =>
          client.call(route, { params: { vmId } }),
        );
      }),
  );
  const stop = new Command('stop')
    .description('ask guests to shut down and force them after a grace')
    .argument('<vm...>', 'names or ids')
    .option('--force', 'at once; also throws a saved state away')
    .option('--wait', 'until it is so')
    .action(async (called: string[], options: { force?: boolean; wait?: boolean }, self: Command) => {
      const client = await clientFor(cli, self);
      const body = { force: options.force === true };
      await each(cli, self, client, called, options.wait === true ? ['stopped'] : undefined, (vmId) =>
        client.call(stopVm, { params: { vmId }, body }),
      );
    });
  return [...commands, stop];
}

/** Does it for each VM; one that fails does not keep the others from it, but the command then fails. */
async function each(
  cli: Cli,
  command: Command,
  client: Client,
  called: readonly string[],
  until: readonly Vm['state'][] | undefined,
  verb: (vmId: string) => Promise<Vm>,
): Promise<void> {
  const all = await listAll(client, listVms);
  const done: Vm[] = [];
  const failures: unknown[] = [];
  for (const one of called) {
    try {
      const asked = await verb(findOne('VM', all, one).id);
      done.push(until === undefined ? asked : await waitFor(client, asked, until));
    } catch (error) {
      if (1 < called.length) cli.terminal.err(`oriel: ${one}: ${(error as Error).message}\n`);
      failures.push(error);
    }
  }
  if (0 < done.length) {
    show(cli, command, done, (vms) => vms.map((vm) => `${vm.name}: ${vm.state}\n`).join(''));
  }
  if (0 < failures.length) throw failures[0];
}

const UNDER_WAY: readonly Vm['state'][] = ['starting', 'stopping', 'saving', 'deleting', 'unknown'];
const WAIT = { everyMs: 200, forMs: 180_000 } as const;

async function waitFor(client: Client, asked: Vm, until: readonly Vm['state'][]): Promise<Vm> {
  const giveUpAt = Date.now() + WAIT.forMs;
  for (;;) {
    const vm = await client.call(getVm, { params: { vmId: asked.id } });
    if (until.includes(vm.state)) return vm;
    // A step that failed is tried again, but not for us: its reason stands while nothing is under way.
    const isStuck = vm.state === 'failed' || (vm.reason !== null && !UNDER_WAY.includes(vm.state));
    if (isStuck) throw new CliError(`VM ${vm.name}: ${vm.reason ?? 'it failed'}`);
    if (giveUpAt < Date.now()) throw new CliError(`VM ${vm.name} is still ${vm.state}`);
    await sleep(WAIT.everyMs);
  }
}

function remove(cli: Cli): Command {
  return new Command('delete')
    .alias('rm')
    .description('stop and remove VMs')
    .argument('<vm...>', 'names or ids')
    .addOption(
      new Option('--disks <what>', 'what happens to their disks').choices(['keep', 'delete']).makeOptionMandatory(),
    )
    .addHelpText('after', '\nExamples:\n  oriel vm delete desk-7 --disks delete')
    .action(async (called: string[], options: { disks: 'keep' | 'delete' }, self: Command) => {
      const client = await clientFor(cli, self);
      await each(cli, self, client, called, undefined, (vmId) =>
        client.call(deleteVm, { params: { vmId }, query: { disks: options.disks } }),
      );
    });
}

function console1(cli: Cli): Command {
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

function log(cli: Cli): Command {
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

export async function findVm(client: Client, called: string): Promise<Vm> {
  return findOne('VM', await listAll(client, listVms), called);
}

function vmSheet(vm: Vm, now: number): string {
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
    ['at next start', vm.pendingRestart.join(', ')],
    ['created', vm.createdAt],
  ]);
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('not a whole number above 0');
  return value;
}

export function sizeInBytes(text: string): number {
  const count = parseBytes(text);
  if (count === undefined) throw new InvalidArgumentError('not a size such as 512M or 20G');
  return count;
}

function mebibytes(text: string): number {
  const count = /^\d+$/.test(text) ? Number(text) * 2 ** 20 : sizeInBytes(text);
  return Math.round(count / 2 ** 20);
}
