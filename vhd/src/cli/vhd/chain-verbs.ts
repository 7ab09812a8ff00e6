/** `oriel vhd snapshot`, `merge` and `rebase`: what changes the shape of a chain. */
import type { Command } from 'commander';
import { VhdError } from '../../errors.ts';
import { abortMerge, findPendingMerge, finishButMerges, finishPending } from '../../ops/finish.ts';
import { identifyImage } from '../../ops/identify.ts';
import { mergeImage, planMerge } from '../../ops/merge.ts';
import { parentFoldersOf } from '../../ops/parent-folders.ts';
import { rebaseImage } from '../../ops/rebase.ts';
import { snapshotImage } from '../../ops/snapshot.ts';
import { fileSystem } from '../../storage/storage.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, type Run, type VhdCli, verb } from '../base/cli.ts';
import { parentsLine } from './parents.ts';

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
      await finishButMerges(file, options);
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
  command.option('--continue', 'finish a merge that was cut off: say which, and do it');
  command.option('--abort', 'give up a merge that was cut off: everything reads as before');
  command.option('--dry-run', 'only say what would be done');
  return action<MergeFlags>(cli, command, async (run, [file = ''], flags) => {
    if (flags.continue === true || flags.abort === true) return endMerge(run, file, flags);
    await finishButMerges(file, run.options);
    const options = { ...run.options, ...(flags.into === undefined ? {} : { into: flags.into }) };
    if (flags.dryRun === true) {
      const { target, links } = planMerge(file, options, fileSystem);
      const folded = links.map((link) => link.file);
      run.print({ target, removed: folded }, () => [
        `${target} would take what ${folded.join(', ')} store, which would go`,
      ]);
      return;
    }
    const result = await mergeImage(file, options);
    run.print(result, () => [
      `${result.target} has the content now`,
      ...result.removed.map((name) => `${name} is gone`),
      ...result.relinked.map((name) => `${name} is its child now`),
    ]);
  });
}

type MergeFlags = CommonFlags & {
  readonly into?: string;
  readonly continue?: boolean;
  readonly abort?: boolean;
  readonly dryRun?: boolean;
};

/** Finishes a merge that was cut off, or gives it up. */
async function endMerge({ options, print }: Run, file: string, flags: MergeFlags): Promise<void> {
  if (flags.continue === true && flags.abort === true) throw new VhdError('USAGE', 'either --continue or --abort');
  const merge = findPendingMerge(file, options);
  if (merge === undefined)
    throw new VhdError('NOT_FOUND', `no merge waits on ${file} or below it: none was begun, or it was ended`);
  const { at, target, folded } = merge;
  const names = folded.join(', ');
  const would = flags.dryRun === true ? 'would be' : 'is';
  if (flags.abort === true) {
    if (flags.dryRun !== true) await abortMerge(file, options);
    print({ aborted: merge }, () => [
      `the merge of ${names} into ${target} ${would} given up`,
      `${names} and what depends on it read as before; ${target} stays sealed, with the identity that it has by now`,
    ]);
  } else {
    if (flags.dryRun !== true) {
      await finishPending(at, options);
      await finishPending(file, options);
    }
    print({ finished: merge }, () => [
      `the merge that was cut off ${would} finished: ${target} has the content`,
      ...folded.map((name) => `${name} ${would} gone`),
    ]);
  }
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
      await finishButMerges(file, options);
      const result = await rebaseImage(file, { ...options, parent: flags.parent, isUnsafe: flags.unsafe === true });
      const parents = parentFoldersOf(file, flags.parent, options);
      print({ ...result, parents }, () => [
        `${file} is a child of ${flags.parent} now; ${formatSize(result.copiedBytes)} copied`,
        ...parentsLine(file, parents),
      ]);
    },
  );
}

export function identifyVerb(cli: VhdCli): Command {
  const command = verb(
    'identify',
    'give an image another identity: copies have that of their original, and are taken for it',
    'oriel vhd identify copy.vhd',
  );
  command.argument('<file>');
  command.option('--as <uuid>', 'the new identity; a random one when left out');
  return action<CommonFlags & { readonly as?: string }>(
    cli,
    command,
    async ({ options, print }, [file = ''], flags) => {
      await finishButMerges(file, options);
      const result = await identifyImage(file, { ...options, ...(flags.as === undefined ? {} : { uuid: flags.as }) });
      print({ path: file, ...result }, () => [`${file} was ${result.before}, and is ${result.uuid} now`]);
    },
  );
}
