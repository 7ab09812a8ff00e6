/** Content that is lost is never passed on without a word: whatever reads it says so, and ends with status 2. */
import { ChainDisk } from '../../chain/chain-disk.ts';
import type { Disk } from '../../disk.ts';
import { STATUS, type VhdCli } from '../base/cli.ts';

/** Tells what a repair has found to be lost in any image of a chain. */
export function tellLost(cli: VhdCli, disk: Disk): void {
  const lost = disk instanceof ChainDisk ? disk.findings.filter(({ code }) => code === 'DATA_LOST') : [];
  for (const { path, message } of lost) cli.err(`oriel: ${path}: ${message} (DATA_LOST)\n`);
  if (0 < lost.length) cli.setStatus(STATUS.problems);
}
