/** `oriel vhd diff` and `hash`: what disks contain. */
import type { Command } from 'commander';
import type { Disk } from '../../disk.ts';
import { openSource } from '../../ops/convert.ts';
import { diffDisks } from '../../ops/diff.ts';
import { hashDisk } from '../../ops/hash.ts';
import { action, type CommonFlags, STATUS, type VhdCli, verb } from '../base/cli.ts';

export function diffVerb(cli: VhdCli): Command {
  const command = verb(
    'diff',
    'list the extents where two disks differ',
    'oriel vhd diff disk.monday.vhd disk.vhd --json',
  );
  command.argument('<a>');
  command.argument('<b>');
  return action<CommonFlags>(cli, command, async ({ isJson, options }, [a = '', b = '']) => {
    await withDisks([a, b], options, async ([one, other]) => {
      if (one === undefined || other === undefined) return;
      let isFirst = true;
      if (isJson) cli.out('[');
      for await (const { offset, length } of diffDisks(one, other, options)) {
        cli.out(isJson ? `${isFirst ? '\n' : ',\n'}${JSON.stringify({ offset, length })}` : `${offset}\t${length}\n`);
        isFirst = false;
      }
      if (isJson) cli.out(']\n');
      cli.setStatus(isFirst ? STATUS.done : STATUS.problems);
    });
  });
}

export function hashVerb(cli: VhdCli): Command {
  const command = verb('hash', 'SHA-256 of the virtual content, the same in every format', 'oriel vhd hash disk.vhd');
  command.argument('<file>');
  return action<CommonFlags>(cli, command, async ({ options, print }, [file = '']) => {
    await withDisks([file], options, async ([disk]) => {
      if (disk === undefined) return;
      const sha256 = await hashDisk(disk, options);
      print({ path: file, sizeBytes: disk.sizeBytes, sha256 }, () => [`${sha256}  ${file}`]);
    });
  });
}

async function withDisks(
  names: readonly string[],
  options: Parameters<typeof openSource>[1],
  work: (disks: readonly Disk[]) => Promise<void>,
): Promise<void> {
  const disks: Disk[] = [];
  try {
    for (const name of names) disks.push(await openSource(name, options));
    await work(disks);
  } finally {
    for (const disk of disks) await disk.close();
  }
}
