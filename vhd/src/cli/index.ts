/** The commands of this package, for whoever puts the `oriel` command together. */

export type { VhdCli } from './cli.ts';
export { type DisksCommandOptions, disksCommand } from './disks.ts';
export { vhdCommand } from './vhd.ts';
