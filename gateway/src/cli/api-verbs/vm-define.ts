/** `oriel vm create` and `oriel vm edit`: what a VM is. */
import { readFileSync } from 'node:fs';
import { Command, Option } from 'commander';
import type { Client } from '../../../api/client.ts';
import { listDisks } from '../../../api/disk.ts';
import { listHosts } from '../../../api/host.ts';
import { createVm, editVm, getVm, type Vm, type VmSource } from '../../../api/vm.ts';
import { mebibytes, sizeInBytes, wholeNumber } from '../base/arguments.ts';
import { type Cli, clientFor, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { findOne, findVm, listAll } from '../base/lists.ts';
import { vmSheet } from './vm-look.ts';

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

export function createCommand(cli: Cli): Command {
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

export function editCommand(cli: Cli): Command {
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

export function cdCommand(cli: Cli): Command {
  return new Command('cd')
    .description('put a disc into the CD drive of a VM, or take it out; also while it runs')
    .argument('<vm>', 'name or id')
    .argument('[disc]', 'its name, as oriel disc list has it')
    .option('--eject', 'take the disc out')
    .addHelpText('after', '\nExamples:\n  oriel vm cd desk-7 netinst.iso\n  oriel vm cd desk-7 --eject')
    .action(async (called: string, disc: string | undefined, options: { eject?: boolean }, self: Command) => {
      if ((disc === undefined) !== (options.eject === true))
        throw new CliError('name a disc, or give --eject', EXIT.usage);
      const client = await clientFor(cli, self);
      const { id } = await findVm(client, called);
      const vm = await client.call(editVm, { params: { vmId: id }, body: { cdImageId: disc ?? null } });
      show(cli, self, vm, (after) => `${after.name}: ${after.cdImageId ?? 'no disc'} in the drive\n`);
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
