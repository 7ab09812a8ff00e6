/** `oriel disk-service list`, `show`, `create`, `owner`, `open`, `close`, `remove`, `rates`, `stats`. */
import type { Command } from 'commander';
import { VhdError } from '../../errors.ts';
import type { DiskSource } from '../../service/control/api.ts';
import type { Owner } from '../../service/control/ids.ts';
import { size } from '../base/cli.ts';
import { type AskFlags, asking, askVerb, type DisksCli, owner, ownerOrNobody } from './cli.ts';
import { diskLines, diskRow, exportLines, statsLines } from './lines.ts';

export function listVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'list',
    'list disks: id, state, size, stored, links, name',
    'oriel disk-service list --owner vm:web-1',
  );
  command.option('--owner <owner>', "of one owner only: vm:web-1 and the like; none: nobody's", ownerOrNobody);
  return asking<AskFlags & { readonly owner?: Owner | 'none' }>(
    cli,
    command,
    async (client, { print }, _args, flags) => {
      const filter = flags.owner === undefined ? {} : { owner: nobodyAsNull(flags.owner) };
      const disks = await client.listDisks(filter);
      print(disks, () => disks.map(diskRow));
    },
  );
}

export function showVerb(cli: DisksCli): Command {
  const command = askVerb(cli, 'show', 'show a disk and its snapshots', 'oriel disk-service show web-1a2b3c4d');
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
  readonly owner?: Owner;
}

export function createVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'create',
    'make a disk: blank, or a linked clone of an image or of a restore point',
    'oriel disk-service create web --from debian-12',
  );
  command.argument('<name>');
  command.option('--from <image>', 'the image to clone');
  command.option('--file <path>', 'a VHD outside of the library to clone');
  command.option('--size <size>', 'bytes, or 40G and the like', size);
  command.option('--owner <owner>', 'whose it is: vm:web-1 and the like', owner);
  return asking<CreateFlags>(cli, command, async (client, { print }, [name = ''], flags) => {
    const whose = flags.owner === undefined ? {} : { owner: flags.owner };
    const disk = await client.createDisk({ name, source: sourceOf(flags), ...whose });
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
    'oriel disk-service open web-1a2b3c4d',
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
  const command = askVerb(cli, 'close', 'end the export of a disk', 'oriel disk-service close web-1a2b3c4d');
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    await client.closeDisk({ id });
    print(null, () => [`${id}: closed`]);
  });
}

export function removeVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'remove',
    'remove a closed disk with its snapshots',
    'oriel disk-service remove web-1a2b3c4d',
  );
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    await client.removeDisk({ id });
    print(null, () => [`${id}: removed`]);
  });
}

interface OwnerFlags extends AskFlags {
  readonly snapshot?: string;
  readonly from?: Owner | 'none';
}

export function ownerVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'owner',
    "say whose a disk or a snapshot is; none: nobody's",
    'oriel disk-service owner web-1a2b3c4d vm:web-1 --from none',
  );
  command.argument('<disk>').argument('<owner>', 'vm:web-1 and the like, or none', ownerOrNobody);
  command.option('--snapshot <snapshot>', 'of this snapshot, not of the disk');
  command.option('--from <owner>', "only where it is this one's until now", ownerOrNobody);
  return asking<OwnerFlags>(cli, command, async (client, { print }, [id = '', to = 'none'], { snapshot, from }) => {
    const expected = from === undefined ? {} : { from: nobodyAsNull(from) };
    const change = { id, owner: nobodyAsNull(to as Owner | 'none'), ...expected };
    const disk =
      snapshot === undefined
        ? await client.setDiskOwner(change)
        : await client.setSnapshotOwner({ ...change, snapshotId: snapshot });
    print(disk, () => diskLines(disk));
  });
}

const nobodyAsNull = (whose: Owner | 'none'): Owner | null => (whose === 'none' ? null : whose);

interface RatesFlags extends AskFlags {
  readonly iops?: number;
  readonly bytes?: number;
}

export function ratesVerb(cli: DisksCli): Command {
  const command = askVerb(
    cli,
    'rates',
    'set the ceilings of a disk; what is not given has none',
    'oriel disk-service rates web-1a2b3c4d --iops 500 --bytes 50M',
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
  const command = askVerb(
    cli,
    'stats',
    'count requests since the disk was opened',
    'oriel disk-service stats web-1a2b3c4d',
  );
  command.argument('<disk>');
  return asking(cli, command, async (client, { print }, [id = '']) => {
    const stats = await client.diskStats({ id });
    print(stats, () => statsLines(stats));
  });
}
