/** `oriel vhd diff` and `hash`: what disks contain. */
import type { Command } from 'commander';
import type { Disk } from '../../disk.ts';

import { diffDisks } from '../../ops/diff.ts';
import { type OpenAnyOptions, openAnySource } from '../../ops/foreign/source.ts';
import { hashDisk } from '../../ops/hash.ts';
import { action, STATUS, type VhdCli, verb } from '../base/cli.ts';
import { tellLost } from './lost.ts';
import { fromOption, type SourceFlags, sourceOptions } from './source.ts';

export function diffVerb(cli: VhdCli): Command {
  const command = verb(
    'diff',
    'list the extents where two disks differ',
    'oriel vhd diff disk.monday.vhd disk.vhd --json',
  );
  command.argument('<a>');
  command.argument('<b>');
  fromOption(command);
  return action<SourceFlags>(cli, command, async (run, [a = '', b = ''], flags) => {
    const { isJson, options } = run;
    await withDisks(cli, [a, b], sourceOptions(run, flags), async ([one, other]) => {
      if (one === undefined || other === undefined) return;
      let isFirst = true;
      if (isJson) cli.out('[');
      for await (const { offset, length } of diffDisks(one, other, options)) {
        cli.out(isJson ? `${isFirst ? '\n' : ',\n'}${JSON.stringify({ offset, length })}` : `${offset}\t${length}\n`);
        isFirst = false;
      }
      if (isJson) cli.out(']\n');
      if (one.sizeBytes !== other.sizeBytes) {
        cli.err(
          `oriel: ${a} has ${one.sizeBytes} bytes, ${b} ${other.sizeBytes}; what the shorter one lacks counts as zeros\n`,
        );
        isFirst = false;
      }
      cli.setStatus(isFirst ? STATUS.done : STATUS.problems);
    });
  });
}

export function hashVerb(cli: VhdCli): Command {
  const command = verb('hash', 'SHA-256 of the virtual content, the same in every format', 'oriel vhd hash disk.vhd');
  command.argument('<file>');
  fromOption(command);
  return action<SourceFlags>(cli, command, async (run, [file = ''], flags) => {
    const { options, print } = run;
    await withDisks(cli, [file], sourceOptions(run, flags), async ([disk]) => {
      if (disk === undefined) return;
      const sha256 = await hashDisk(disk, options);
      print({ path: file, sizeBytes: disk.sizeBytes, sha256 }, () => [`${sha256}  ${file}`]);
    });
  });
}

async function withDisks(
  cli: VhdCli,
  names: readonly string[],
  options: OpenAnyOptions,
  work: (disks: readonly Disk[]) => Promise<void>,
): Promise<void> {
  const disks: Disk[] = [];
  try {
    for (const name of names) disks.push(await openAnySource(name, options));
    await work(disks);
    for (const disk of disks) tellLost(cli, disk);
  } finally {
    for (const disk of disks) await disk.close();
  }
}
