/** `oriel vm …`: VMs through the API. */
import { Command } from 'commander';
import type { Cli } from '../base/context.ts';
import { checkpointCommands } from './vm-checkpoint.ts';
import { cdCommand, createCommand, editCommand } from './vm-define.ts';
import { consoleCommand, listCommand, logCommand, showCommand } from './vm-look.ts';
import { deleteCommand, powerCommands } from './vm-power.ts';

export function vmCommand(cli: Cli): Command {
  const vm = new Command('vm').description('virtual machines');
  const commands = [
    listCommand(cli),
    showCommand(cli),
    createCommand(cli),
    editCommand(cli),
    cdCommand(cli),
    ...powerCommands(cli),
    deleteCommand(cli),
    ...checkpointCommands(cli),
    consoleCommand(cli),
    logCommand(cli),
  ];
  for (const command of commands) vm.addCommand(command);
  return vm;
}
