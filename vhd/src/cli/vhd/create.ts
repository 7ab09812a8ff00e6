/** `oriel vhd create`: an empty image, or a linked clone of another. */
import type { Command } from 'commander';
import { VhdError } from '../../errors.ts';
import { createChild, createImage } from '../../ops/create.ts';
import { parentFoldersOf } from '../../ops/parent-folders.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, oneOf, size, type VhdCli, verb } from '../base/cli.ts';
import { parentsLine } from './parents.ts';

interface Flags extends CommonFlags {
  readonly size?: number;
  readonly type?: 'dynamic' | 'fixed';
  readonly blockSize?: number;
  readonly parent?: string;
  readonly force?: boolean;
}

export function createVerb(cli: VhdCli): Command {
  const command = verb(
    'create',
    'make an empty image, or a linked clone',
    'oriel vhd create desk.vhd --parent template.vhd',
  );
  command.argument('<file>');
  command.option('--size <size>', 'virtual size, like 40G; of a clone the size of its parent when left out', size);
  command.option('--type <type>', 'dynamic or fixed', oneOf(['dynamic', 'fixed']));
  command.option('--block-size <size>', 'bytes of a block, 512K to 16M (2M when left out)', size);
  command.option('--parent <file>', 'the image to clone; it is sealed by this');
  command.option('--force', 'replace a file that is there');
  return action<Flags>(cli, command, async ({ options, print }, [file = ''], flags) => {
    const common = {
      ...options,
      isReplacing: flags.force === true,
      ...(flags.blockSize === undefined ? {} : { blockBytes: flags.blockSize }),
    };
    if (flags.parent !== undefined && flags.type !== undefined)
      throw new VhdError('USAGE', '--type says nothing about a clone');
    const made = await make(file, flags, common);
    const parents = flags.parent === undefined ? [] : parentFoldersOf(file, flags.parent, options);
    print({ ...made, parents }, () => [
      `${made.path}: ${formatSize(made.sizeBytes)}, identity ${made.uuid}`,
      ...parentsLine(file, parents),
    ]);
  });
}

async function make(
  file: string,
  flags: Flags,
  common: { readonly isReplacing: boolean; readonly blockBytes?: number },
): ReturnType<typeof createImage> {
  const { parent, size: sizeBytes, type } = flags;
  if (parent !== undefined)
    return createChild(file, { ...common, parent, ...(sizeBytes === undefined ? {} : { sizeBytes }) });
  if (sizeBytes === undefined) throw new VhdError('USAGE', 'give --size, or --parent for a clone');
  return createImage(file, { ...common, sizeBytes, ...(type === undefined ? {} : { type }) });
}
