/** The commands of this package, for whoever puts the `oriel` command together. */
export { type DisksCommandOptions, disksCommand } from './disks.ts';
export type { VhdCli } from './vhd/cli.ts';
export { vhdCommand } from './vhd.ts';
