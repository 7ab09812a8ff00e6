/** `oriel vhd info`: what is worth knowing about an image or a chain. */
import type { Command } from 'commander';
import { nameOfFormat } from '../../formats/content.ts';
import { seenThroughJournals } from '../../ops/finish.ts';
import { anyInfo, type OtherInfo } from '../../ops/foreign/any-info.ts';
import { chainInfo, type ImageInfo } from '../../ops/info.ts';
import { hasJournal } from '../../ops/journal.ts';
import { fileSystem } from '../../storage/storage.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, type VhdCli, verb } from '../base/cli.ts';

interface Flags extends CommonFlags {
  readonly chain?: boolean;
}

export function infoVerb(cli: VhdCli): Command {
  const command = verb('info', 'tell what an image is, and what it depends on', 'oriel vhd info disk.vhd --chain');
  command.argument('<file>');
  command.option('--chain', 'its parents too');
  return action<Flags>(cli, command, async ({ options, print }, [file = ''], flags) => {
    // Only read: what was cut off is seen as it will be, and stays to be finished.
    const storage = await seenThroughJournals(file, options);
    const isInterrupted = ({ path }: ImageInfo): boolean => hasJournal(path, fileSystem);
    if (flags.chain === true) {
      const links = chainInfo(file, { ...options, storage }).map((one) => ({
        ...one,
        isInterrupted: isInterrupted(one),
      }));
      print(links, () => links.flatMap((info, i) => (i === 0 ? linesOf(info) : ['', ...linesOf(info)])));
    } else {
      const found = await anyInfo(file, { ...options, storage, isInPieces: true });
      const info = 'uuid' in found ? { ...found, isInterrupted: isInterrupted(found) } : found;
      print(info, () => ('uuid' in info ? linesOf(info) : linesOfOther(info)));
    }
  });
}

function linesOfOther({ path, format, virtualBytes, fileBytes, storedBytes }: OtherInfo): readonly string[] {
  const size = virtualBytes === undefined ? [] : [`  size        ${formatSize(virtualBytes)} (${virtualBytes})`];
  return [
    path,
    `  type        ${format}: ${nameOfFormat(format)}`,
    ...size,
    `  file        ${formatSize(fileBytes)} (${fileBytes}), stored ${formatSize(storedBytes)}`,
  ];
}

function linesOf(info: ImageInfo): readonly string[] {
  const bytes = (n: number): string => `${formatSize(n)} (${n})`;
  const lines = [
    info.path,
    `  type        ${info.type}${info.isSealed ? ', sealed' : ''}${info.isInterrupted ? ', an operation was cut off' : ''}`,
    `  identity    ${info.uuid}`,
    `  size        ${bytes(info.virtualBytes)}${(info.qemuBytes ?? info.virtualBytes) === info.virtualBytes ? '' : `; qemu sees ${info.qemuBytes}`}`,
    `  file        ${bytes(info.fileBytes)}, stored ${formatSize(info.storedBytes)}`,
  ];
  if (info.blocks !== undefined) {
    lines.push(
      `  blocks      ${info.allocatedBlocks ?? 0} of ${info.blocks}, ${formatSize(info.blockBytes ?? 0)} each`,
    );
  }
  if (info.createdAt !== undefined)
    lines.push(`  created     ${info.createdAt} by ${JSON.stringify(info.creator)} ${info.creatorVersion}`);
  if (info.geometry !== undefined) {
    const { cylinders, heads, sectorsPerTrack } = info.geometry;
    lines.push(`  geometry    ${cylinders}/${heads}/${sectorsPerTrack}`);
  }
  if (info.parent !== undefined) {
    lines.push(`  parent      ${info.parent.name}, identity ${info.parent.uuid}`);
    for (const [code, path] of Object.entries(info.parent.paths)) lines.push(`    ${code}      ${path}`);
  }
  for (const child of info.children) lines.push(`  child       ${child}`);
  for (const finding of info.findings) lines.push(`  finding     ${finding.code}: ${finding.message}`);
  return lines;
}
