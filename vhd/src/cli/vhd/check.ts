/** `oriel vhd check`: finds what is wrong, and mends what can be mended without guessing. */
import type { Command } from 'commander';
import type { Finding } from '../../image/finding.ts';
import { checkImage } from '../../ops/check.ts';
import { repairImage } from '../../ops/repair.ts';
import { formatSize } from '../../units.ts';
import { action, type CommonFlags, STATUS, type VhdCli, verb } from '../base/cli.ts';

interface Flags extends CommonFlags {
  readonly chain?: boolean;
  readonly deep?: boolean;
  readonly repair?: boolean;
  readonly dryRun?: boolean;
}

export function checkVerb(cli: VhdCli): Command {
  const command = verb(
    'check',
    'look for what is wrong with an image',
    'oriel vhd check disk.vhd --chain --repair --dry-run',
  );
  command.argument('<file>');
  command.option('--chain', 'its parents too');
  command.option('--deep', 'read the data too, for bytes behind clear bits');
  command.option('--repair', 'mend what can be mended without guessing; what is overwritten is kept beside the image');
  command.option('--dry-run', 'with --repair: say what would be mended, and change nothing');
  return action<Flags>(cli, command, async ({ options, print }, [file = ''], flags) => {
    const how = { ...options, isChain: flags.chain === true, isDeep: flags.deep === true };
    if (flags.repair === true) {
      const result = await repairImage(file, { ...how, isDryRun: flags.dryRun === true });
      print(result, () => [
        ...result.mended.map((finding) => `${flags.dryRun === true ? 'would mend' : 'mended'}: ${lineOf(finding)}`),
        ...result.left.map(lineOf),
        ...result.lost.map(
          ({ offset, length }) => `lost: ${formatSize(length)} of the disk, bytes ${offset} to ${offset + length}`,
        ),
        ...result.backups.map((name) => `overwritten bytes are kept in ${name}`),
      ]);
      cli.setStatus(statusOf(flags.dryRun === true ? [...result.mended, ...result.left] : result.left));
    } else {
      const findings = await checkImage(file, how);
      print({ findings }, () => (findings.length === 0 ? [`${file}: nothing found`] : findings.map(lineOf)));
      cli.setStatus(statusOf(findings));
    }
  });
}

/** Notes are no problem; the status tells scripts about the others. */
function statusOf(findings: readonly Finding[]): number {
  return findings.some((finding) => finding.severity !== 'note') ? STATUS.problems : STATUS.done;
}

function lineOf({ severity, code, path, message, offset, block }: Finding): string {
  const place = [block === undefined ? '' : ` block ${block}`, offset === undefined ? '' : ` at ${offset}`].join('');
  return `${severity} ${code} ${path}${place}: ${message}`;
}
