// The part of the `oriel` command that these tests start as a process of its own, from what is built.
import { disksCommand } from '@oriel/vhd/cli/disks';
import { vhdCommand } from '@oriel/vhd/cli/vhd';
import { Command } from 'commander';

await new Command('oriel').addCommand(disksCommand()).addCommand(vhdCommand()).parseAsync(process.argv);
