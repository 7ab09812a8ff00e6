// The disk service of the nbd bench: the `disks` verbs of the `oriel` command, from what is built.
import { disksCommand } from '@oriel/vhd/cli';
import { Command } from 'commander';

await new Command('oriel').addCommand(disksCommand()).parseAsync(process.argv);
