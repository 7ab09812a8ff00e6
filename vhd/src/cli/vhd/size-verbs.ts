/** `oriel vhd compact` and `resize`. */
import type { Command } from 'commander';
import { compactImage } from '../../ops/compact.ts';
import { finishButMerges } from '../../ops/finish.ts';
import { resizeImage } from '../../ops/resize.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, size, type VhdCli, verb } from '../base/cli.ts';

export function compactVerb(cli: VhdCli): Command {
  const command = verb('compact', 'drop zeros and unused space from an image', 'oriel vhd compact disk.vhd');
  command.argument('<file>');
  return action<CommonFlags>(cli, command, async ({ options, print }, [file = '']) => {
    await finishButMerges(file, options);
    const result = await compactImage(file, options);
    print(result, () => [
      `${file}: ${formatSize(result.storedBytesBefore)} stored before, ${formatSize(result.storedBytesAfter)} now`,
    ]);
  });
}

export function resizeVerb(cli: VhdCli): Command {
  const command = verb('resize', 'change the virtual size of an image', 'oriel vhd resize disk.vhd --size 80G');
  command.argument('<file>');
  command.requiredOption('--size <size>', 'new virtual size, like 80G', size);
  command.option('--shrink', 'allow a smaller size; what is cut off must read as zero');
  return action<CommonFlags & { readonly size: number; readonly shrink?: boolean }>(
    cli,
    command,
    async ({ options, print }, [file = ''], flags) => {
      await finishButMerges(file, options);
      await resizeImage(file, { ...options, sizeBytes: flags.size, isShrinking: flags.shrink === true });
      print({ path: file, sizeBytes: flags.size }, () => [`${file} has ${formatSize(flags.size)} now`]);
    },
  );
}
