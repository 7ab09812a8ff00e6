/** The `oriel` command put together: one line per verb group. */
import { disksCommand, vhdCommand } from '@oriel/vhd/cli';
import { Command } from 'commander';
import { adminCommand } from './admin.ts';
import { auditCommand } from './audit.ts';
import { completionCommand } from './completion.ts';
import type { Cli } from './context.ts';
import { desktopCommand } from './desktop.ts';
import { doctorCommand } from './doctor.ts';
import { hostCommand } from './host.ts';
import { diskCommand, imageCommand, templateCommand } from './library.ts';
import { loginCommand, logoutCommand, profileCommand } from './login.ts';
import { assignCommand, groupCommand, userCommand } from './people.ts';
import { sessionCommand } from './session.ts';
import { startCommand, statusCommand, stopCommand } from './start.ts';
import { taskCommand } from './task.ts';
import { vmCommand } from './vm.ts';

const EXIT_HELP = `
Exit status: 0 done, 1 failed, 2 wrong usage, 3 not signed in or not allowed, 4 not found, 5 not possible in the
present state, 6 the gateway does not answer.`;

export function program(cli: Cli, version: string, exitWith: (status: number) => void): Command {
  const root = new Command('oriel')
    .description('Oriel: a gateway to desktops, and the VHD library they run from')
    .version(version)
    .enablePositionalOptions()
    .addHelpText('after', EXIT_HELP);
  const own = [
    startCommand(cli, exitWith),
    stopCommand(cli),
    statusCommand(cli),
    vmCommand(cli),
    desktopCommand(cli),
    hostCommand(cli),
    imageCommand(cli),
    templateCommand(cli),
    diskCommand(cli),
    taskCommand(cli),
    sessionCommand(cli),
    userCommand(cli),
    groupCommand(cli),
    assignCommand(cli),
    auditCommand(cli),
    adminCommand(cli),
    loginCommand(cli),
    logoutCommand(cli),
    profileCommand(cli),
    doctorCommand(cli),
    completionCommand(cli),
  ];
  withGlobals(root);
  for (const group of own) {
    withGlobals(group);
    root.addCommand(group);
  }
  // Commands of the disk library, with options of their own.
  root.addCommand(disksCommand({ env: cli.env, version }));
  root.addCommand(vhdCommand());
  return root;
}

/** The options that every command of ours takes, before or after its name. */
function withGlobals(command: Command): void {
  command.option('--json', 'answer as JSON, for scripts').option('--profile <name>', 'which gateway to talk to');
  for (const child of command.commands) withGlobals(child);
}
