/** `oriel vhd snapshot`, `merge` and `rebase`: what changes the shape of a chain. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { finishPending } from '../../ops/finish.ts';
import { mergeImage } from '../../ops/merge.ts';
import { rebaseImage } from '../../ops/rebase.ts';
import { snapshotImage } from '../../ops/snapshot.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, type VhdCli, verb } from '../base/cli.ts';

export function snapshotVerb(cli: VhdCli): Command {
  const command = verb(
    'snapshot',
    'seal an image and put a child in its place',
    'oriel vhd snapshot disk.vhd --as disk.before-update.vhd',
  );
  command.argument('<file>');
  command.option('--as <file>', 'name of the sealed image, in the same folder; made from the time when left out');
  return action<CommonFlags & { readonly as?: string }>(
    cli,
    command,
    async ({ options, print }, [file = ''], flags) => {
      await finishPending(file, options);
      const result = await snapshotImage(file, { ...options, ...(flags.as === undefined ? {} : { as: flags.as }) });
      print(result, () => [`${result.snapshot} is sealed; ${result.leaf} goes on from there`]);
    },
  );
}

export function mergeVerb(cli: VhdCli): Command {
  const command = verb(
    'merge',
    'fold an image down into its parent, or into an ancestor',
    'oriel vhd merge disk.before-update.vhd',
  );
  command.argument('<file>');
  command.option('--into <file>', 'the ancestor that takes the content; the parent when left out');
  return action<CommonFlags & { readonly into?: string }>(
    cli,
    command,
    async ({ options, print }, [file = ''], flags) => {
      const finished = await finishPending(file, options);
      if (0 < finished.length && !existsSync(file)) {
        print({ finished }, () => [`the merge that was cut off is finished: ${finished.join(', ')}`]);
        return;
      }
      const result = await mergeImage(file, { ...options, ...(flags.into === undefined ? {} : { into: flags.into }) });
      print(result, () => [
        `${result.target} has the content now`,
        ...result.removed.map((name) => `${name} is gone`),
        ...result.relinked.map((name) => `${name} is its child now`),
      ]);
    },
  );
}

export function rebaseVerb(cli: VhdCli): Command {
  const command = verb(
    'rebase',
    'give an image another parent',
    'oriel vhd rebase disk.vhd --parent /srv/templates/base.vhd --unsafe',
  );
  command.argument('<file>');
  command.requiredOption('--parent <file>', 'the new parent');
  command.option('--unsafe', 'only re-link: for chains whose files were moved');
  return action<CommonFlags & { readonly parent: string; readonly unsafe?: boolean }>(
    cli,
    command,
    async ({ options, print }, [file = ''], flags) => {
      await finishPending(file, options);
      const result = await rebaseImage(file, { ...options, parent: flags.parent, isUnsafe: flags.unsafe === true });
      print(result, () => [`${file} is a child of ${flags.parent} now; ${formatSize(result.copiedBytes)} copied`]);
    },
  );
}
