/** `oriel vhd map`: allocated extents and the link each comes from. */
import type { Command } from 'commander';
import { openAnySource } from '../../ops/foreign/source.ts';
import { entryOf, filesOf, type MapEntry, mapWindows } from '../../ops/map.ts';
import { action, type VhdCli, verb } from '../base/cli.ts';
import { tellLost } from './lost.ts';
import { fromOption, type SourceFlags, sourceOptions } from './source.ts';

export function mapVerb(cli: VhdCli): Command {
  const command = verb('map', 'list allocated extents with the link each comes from', 'oriel vhd map disk.vhd --json');
  command.argument('<file>');
  fromOption(command);
  return action<SourceFlags>(cli, command, async (run, [file = ''], flags) => {
    const { isJson, options } = run;
    const disk = await openAnySource(file, sourceOptions(run, flags));
    try {
      const files = filesOf(disk);
      let isFirst = true;
      if (isJson) cli.out('[');
      for await (const extents of mapWindows(disk, options)) {
        const entries = extents.map((extent) => entryOf(extent, files));
        const shown = isJson
          ? entries.map((entry) => JSON.stringify(entry))
          : entries.filter((entry) => entry.present).map(lineOf);
        if (shown.length === 0) continue;
        cli.out(isJson ? `${isFirst ? '\n' : ',\n'}${shown.join(',\n')}` : shown.map((line) => `${line}\n`).join(''));
        isFirst = false;
      }
      if (isJson) cli.out(']\n');
      tellLost(cli, disk);
    } finally {
      await disk.close();
    }
  });
}

function lineOf({ start, length, depth, file }: MapEntry): string {
  return `${start}\t${length}\t${depth}\t${file ?? ''}`;
}
