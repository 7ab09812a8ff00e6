// The part of the `oriel` command that these tests start as a process of its own, from what is built.
import { disksCommand } from '@oriel/vhd/cli';
import { Command } from 'commander';

await new Command('oriel').addCommand(disksCommand()).parseAsync(process.argv);
