/**
 * The `oriel` command put together: one line per group of verbs. A group is loaded when its name is on the line, so that
 * `oriel vm list` does not wait for the code of the others; help and completion load them all.
 */
import { Command } from 'commander';
import type { Cli } from './base/context.ts';

const EXIT_HELP = `
Exit status: 0 done, 1 failed, 2 damage was found, 64 wrong usage, 3 not signed in or not allowed, 4 not found, 5 not possible in the
present state, 6 the gateway does not answer.`;

export interface ProgramOptions {
  readonly cli: Cli;
  readonly version: string;
  readonly exitWith: (status: number) => void;
}

type Load = (options: ProgramOptions) => Promise<Command>;

const GROUPS: Readonly<Record<string, Load>> = {
  start: async ({ cli, exitWith }) => (await import('./local-verbs/start.ts')).startCommand(cli, exitWith),
  stop: async ({ cli }) => (await import('./local-verbs/start.ts')).stopCommand(cli),
  status: async ({ cli }) => (await import('./local-verbs/start.ts')).statusCommand(cli),
  vm: async ({ cli }) => (await import('./api-verbs/vm.ts')).vmCommand(cli),
  desktop: async ({ cli }) => (await import('./api-verbs/desktop.ts')).desktopCommand(cli),
  host: async ({ cli }) => (await import('./api-verbs/host.ts')).hostCommand(cli),
  storage: async ({ cli }) => (await import('./api-verbs/storage.ts')).storageCommand(cli),
  image: async ({ cli, exitWith }) => (await import('./api-verbs/library.ts')).imageCommand(cli, exitWith),
  template: async ({ cli, exitWith }) => (await import('./api-verbs/library.ts')).templateCommand(cli, exitWith),
  disk: async ({ cli, exitWith }) => (await import('./api-verbs/library.ts')).diskCommand(cli, exitWith),
  backup: async ({ cli }) => (await import('./api-verbs/backup.ts')).backupCommand(cli),
  disc: async ({ cli }) => (await import('./api-verbs/upload.ts')).discCommand(cli),
  task: async ({ cli }) => (await import('./api-verbs/task.ts')).taskCommand(cli),
  session: async ({ cli }) => (await import('./api-verbs/session.ts')).sessionCommand(cli),
  user: async ({ cli }) => (await import('./api-verbs/people.ts')).userCommand(cli),
  group: async ({ cli }) => (await import('./api-verbs/people.ts')).groupCommand(cli),
  assign: async ({ cli }) => (await import('./api-verbs/people.ts')).assignCommand(cli),
  policy: async ({ cli }) => (await import('./api-verbs/policy.ts')).policyCommand(cli),
  audit: async ({ cli }) => (await import('./api-verbs/audit.ts')).auditCommand(cli),
  admin: async ({ cli }) => (await import('./local-verbs/admin.ts')).adminCommand(cli),
  login: async ({ cli }) => (await import('./api-verbs/login.ts')).loginCommand(cli),
  logout: async ({ cli }) => (await import('./api-verbs/login.ts')).logoutCommand(cli),
  profile: async ({ cli }) => (await import('./api-verbs/login.ts')).profileCommand(cli),
  service: async ({ cli }) => (await import('./local-verbs/service.ts')).serviceCommand(cli),
  doctor: async ({ cli }) => (await import('./local-verbs/doctor.ts')).doctorCommand(cli),
  completion: async ({ cli }) => (await import('./completion.ts')).completionCommand(cli),
};

/** Commands of the disk library, with options of their own. */
const FOREIGN: Readonly<Record<string, Load>> = {
  vhd: async () => (await import('@oriel/vhd/cli/vhd')).vhdCommand(),
  'disk-service': async ({ cli, version }) =>
    (await import('@oriel/vhd/cli/disks')).disksCommand({ env: cli.env, version }),
};

/** `argv` as node gives it: only the group that it names is loaded, or all where it names none. */
export async function program(options: ProgramOptions, argv: readonly string[]): Promise<Command> {
  const root = new Command('oriel')
    .description('Oriel: a gateway to desktops, and the VHD library they run from')
    .version(options.version)
    .enablePositionalOptions()
    .addHelpText('after', EXIT_HELP);
  withGlobals(root);
  const named = argv[2] ?? '';
  const isWanted = (name: string): boolean =>
    name === named || !(named in GROUPS || named in FOREIGN) || named === 'completion';
  for (const [name, load] of Object.entries(GROUPS)) {
    if (!isWanted(name)) continue;
    const group = await load(options);
    withGlobals(group);
    root.addCommand(group);
  }
  for (const [name, load] of Object.entries(FOREIGN)) if (isWanted(name)) root.addCommand(await load(options));
  return root;
}

/** The options that every command of ours takes, before or after its name. */
function withGlobals(command: Command): void {
  command.option('--json', 'answer as JSON, for scripts').option('--profile <name>', 'which gateway to talk to');
  for (const child of command.commands) withGlobals(child);
}
