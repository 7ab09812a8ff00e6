/** `oriel disks list`, `show`, `create`, `open`, `close`, `remove`, `rates`, `stats`. */
import type { Command } from 'commander';
import { VhdError } from '../../errors.ts';
import type { DiskSource } from '../../service/control/api.ts';
import { size } from '../base/cli.ts';
import { type AskFlags, asking, askVerb, type DisksCli } from './cli.ts';
import { diskLines, diskRow, exportLines, statsLines } from './lines.ts';

export function listVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'list', 'list disks: id, state, size, stored, links, name', 'oriel disks list');
  return asking(cli, command, async (client, { print }) => {
    const disks = await client.listDisks();
    print(disks, () => disks.map(diskRow));
  });
}

export function showVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'show', 'show a disk and its snapshots', 'oriel disks show web-1a2b3c4d');
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    const disk = await client.getDisk({ id });
    print(disk, () => diskLines(disk));
  });
}

interface CreateFlags extends AskFlags {
  readonly from?: string;
  readonly file?: string;
  readonly size?: number;
}

export function createVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'create',
    'make a disk: blank, or a linked clone of an image or of a restore point',
    'oriel disks create web --from debian-12',
  );
  command.argument('<name>');
  command.option('--from <image>', 'the image to clone');
  command.option('--file <path>', 'a VHD outside of the library to clone');
  command.option('--size <size>', 'bytes, or 40G and the like', size);
  return asking<CreateFlags>(cli, command, async (client, { print }, [name = ''], flags) => {
    const disk = await client.createDisk({ name, source: sourceOf(flags) });
    print(disk, () => diskLines(disk));
  });
}

/** Errors: USAGE. */
function sourceOf({ from, file, size: sizeBytes }: CreateFlags): DiskSource {
  const sized = sizeBytes === undefined ? {} : { sizeBytes };
  if (from !== undefined && file !== undefined) throw new VhdError('USAGE', 'give --from or --file, not both');
  if (from !== undefined) return { from: 'image', imageId: from, ...sized };
  if (file !== undefined) return { from: 'file', path: file, ...sized };
  if (sizeBytes === undefined) throw new VhdError('USAGE', 'give --from, --file or --size');
  return { from: 'blank', sizeBytes };
}

export function openVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'open',
    'serve a disk under a new lease; an older one is cut off',
    'oriel disks open web-1a2b3c4d',
  );
  command.argument('<disk>');
  command.option('--read-only', 'refuse writes');
  command.option('--remote', 'serve it to other machines too, over TLS');
  return asking<AskFlags & { readonly readOnly?: boolean; readonly remote?: boolean }>(
    cli,
    command,
    async (client, { print }, [id = ''], flags) => {
      const mode = flags.readOnly === true ? 'read' : 'write';
      const served = await client.openDisk({ id, mode, isRemote: flags.remote === true });
      print(served, () => exportLines(served));
    },
  );
}

export function closeVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'close', 'end the export of a disk', 'oriel disks close web-1a2b3c4d');
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    await client.closeDisk({ id });
    print(null, () => [`${id}: closed`]);
  });
}

export function removeVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'remove', 'remove a closed disk with its snapshots', 'oriel disks remove web-1a2b3c4d');
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    await client.removeDisk({ id });
    print(null, () => [`${id}: removed`]);
  });
}

interface RatesFlags extends AskFlags {
  readonly iops?: number;
  readonly bytes?: number;
}

export function ratesVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'rates',
    'set the ceilings of a disk; what is not given has none',
    'oriel disks rates web-1a2b3c4d --iops 500 --bytes 50M',
  );
  command.argument('<disk>');
  command.option('--iops <count>', 'requests a second', size);
  command.option('--bytes <size>', 'bytes a second', size);
  return asking<RatesFlags>(cli, command, async (client, { print }, [id = ''], { iops, bytes }) => {
    const rates = {
      ...(iops === undefined ? {} : { iops }),
      ...(bytes === undefined ? {} : { bytesPerSecond: bytes }),
    };
    const disk = await client.setRates({ id, rates });
    print(disk, () => diskLines(disk));
  });
}

export function statsVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'stats', 'count requests since the disk was opened', 'oriel disks stats web-1a2b3c4d');
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    const stats = await client.diskStats({ id });
    print(stats, () => statsLines(stats));
  });
}
