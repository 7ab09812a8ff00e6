/** `oriel service …`: the gateway and the disk service under systemd, for the machine or for one person's login. */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { plainEnvironment } from '@oriel/machine';
import { Command } from 'commander';
import { parseConfig } from '../../config.ts';
import { dataFolderAt } from '../../platform/process/data-folder.ts';
import { type Cli, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { sheet } from '../base/output.ts';
import { provideAccount } from './service-account.ts';
import { ACCOUNT, UNIT_NAMES, type UnitName, type UnitOptions, type UnitScope, unitsOf } from './units.ts';

const run = promisify(execFile);
const PROGRAM = fileURLToPath(new URL('../../../../bin/oriel.mjs', import.meta.url));
const SETTINGS = `# Settings of Oriel, read at its start; docs/settings.md lists them all.
#ORIEL_LISTEN=0.0.0.0:8443
#ORIEL_ORIGIN=https://oriel.example
`;

interface Flags {
  readonly user?: boolean;
  readonly data?: string;
  readonly print?: boolean;
  readonly start?: boolean;
}

export function serviceCommand(cli: Cli): Command {
  const command = new Command('service')
    .description('run Oriel under systemd: it starts with the machine, and again when it fails')
    .addHelpText(
      'after',
      '\nExamples:\n  sudo oriel service install --start\n  oriel service install --user --start\n  oriel service install --print\n  oriel service status',
    );
  command
    .command('install')
    .description('write the units; as root also the account that they run under')
    .option('--user', 'for your own login, without root')
    .option('--data <folder>', 'data folder (/var/lib/oriel; with --user: ORIEL_DATA or the usual one)')
    .option('--print', 'show the units and write nothing')
    .option('--start', 'start them now, and with the machine')
    .action(async (flags: Flags, self: Command) => {
      const plan = planFor(cli, flags);
      if (flags.print === true) {
        show(cli, self, plan.units, (units) =>
          Object.entries(units)
            .map(([name, text]) => `# ${name}\n${text}`)
            .join('\n'),
        );
        return;
      }
      const done = await install(plan, flags.start === true);
      show(cli, self, done, (shown) => `${installedText(shown)}\n`);
    });
  command
    .command('uninstall')
    .description('stop the units and remove them; VMs run on, and the data folder and the account stay')
    .option('--user', 'those of your own login')
    .action(async (flags: Flags, self: Command) => {
      const done = await uninstall(placeOf(cli, scopeOf(flags)));
      show(cli, self, done, ({ removed }) => `removed ${removed.join(', ')}\n`);
    });
  command
    .command('status')
    .description('tell which units there are and whether they run')
    .option('--user', 'those of your own login')
    .action(async (flags: Flags, self: Command) => {
      const states = await statesOf(placeOf(cli, scopeOf(flags)));
      show(cli, self, states, (rows) =>
        sheet(rows.map(({ unit, installed, state }) => [unit, installed ? state : 'not installed'])),
      );
      if (states.some(({ installed }) => !installed))
        throw new CliError('not installed: oriel service install', EXIT.notFound);
    });
  return command;
}

const scopeOf = (flags: Flags): UnitScope => (flags.user === true ? 'user' : 'system');

/** Where units and settings of a scope lie. */
interface Place {
  readonly scope: UnitScope;
  readonly folder: string;
  readonly settingsFile: string;
}

function placeOf(cli: Cli, scope: UnitScope): Place {
  if (scope === 'system') return { scope, folder: '/etc/systemd/system', settingsFile: '/etc/oriel/oriel.env' };
  const config = cli.env['XDG_CONFIG_HOME'] ?? path.join(cli.env['HOME'] ?? homedir(), '.config');
  return { scope, folder: path.join(config, 'systemd', 'user'), settingsFile: path.join(config, 'oriel', 'oriel.env') };
}

interface Plan {
  readonly place: Place;
  readonly options: UnitOptions;
  readonly units: Readonly<Record<UnitName, string>>;
}

function planFor(cli: Cli, flags: Flags): Plan {
  const place = placeOf(cli, scopeOf(flags));
  const usual = place.scope === 'system' ? '/var/lib/oriel' : parseConfig(cli.env).dataFolder;
  const dataFolder = path.resolve(flags.data ?? usual);
  if (/[\s"'\\%$]/.test(dataFolder))
    throw new CliError(`a data folder without blanks and signs, not ${dataFolder}`, EXIT.usage);
  const { disks, diskSocket, run: runFolder, runDisks } = dataFolderAt(dataFolder);
  if (!runFolder.startsWith(`${dataFolder}/`))
    throw new CliError(`the path ${dataFolder} is too long for a service: give a shorter one with --data`, EXIT.usage);
  const options: UnitOptions = {
    scope: place.scope,
    command: [process.execPath, PROGRAM],
    dataFolder,
    disks: { storage: disks, socket: diskSocket, run: runDisks },
    settingsFile: place.settingsFile,
    isInHome: [process.execPath, PROGRAM, dataFolder].some((one) => /^\/(home|root)\//.test(one)),
    hasKvmGroup: /^kvm:/m.test(readFileSync('/etc/group', 'utf8')),
  };
  return { place, options, units: unitsOf(options) };
}

interface Installed {
  readonly units: readonly string[];
  readonly dataFolder: string;
  readonly settings: string;
  /** The account that they run under; null: one's own. */
  readonly account: string | null;
  readonly started: boolean;
}

async function install(plan: Plan, isStarted: boolean): Promise<Installed> {
  const { place, options, units } = plan;
  const isSystem = place.scope === 'system';
  if (isSystem && process.getuid?.() !== 0)
    throw new CliError('the units of the machine need root: sudo oriel service install, or --user', EXIT.denied);
  if (isSystem) await provideAccount({ ...options, program: PROGRAM });
  const written = Object.entries(units).map(([name, text]) => writeText(path.join(place.folder, name), text, 0o644));
  if (!existsSync(place.settingsFile)) writeText(place.settingsFile, SETTINGS, 0o600);
  await systemctl(place, ['daemon-reload'], isStarted);
  if (isStarted) await systemctl(place, ['enable', '--now', ...UNIT_NAMES], true);
  const { dataFolder, settingsFile: settings } = options;
  return { units: written, dataFolder, settings, account: isSystem ? ACCOUNT : null, started: isStarted };
}

function writeText(file: string, text: string, mode: number): string {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
  return file;
}

function installedText({ units, settings, account, started }: Installed): string {
  return [
    ...units.map((file) => `wrote ${file}`),
    `settings: ${settings}`,
    ...(account === null
      ? ['VMs end with your login unless it lingers: loginctl enable-linger']
      : [`account: ${account}`]),
    started ? 'started; look with: oriel service status' : 'start them with: oriel service install --start',
  ].join('\n');
}

async function uninstall(place: Place): Promise<{ readonly removed: readonly string[] }> {
  const files = UNIT_NAMES.map((name) => path.join(place.folder, name)).filter((file) => existsSync(file));
  if (files.length === 0) throw new CliError(`there are no units of Oriel in ${place.folder}`, EXIT.notFound);
  if (place.scope === 'system' && process.getuid?.() !== 0)
    throw new CliError('the units of the machine need root: sudo oriel service uninstall', EXIT.denied);
  await systemctl(place, ['disable', '--now', ...UNIT_NAMES], false);
  for (const file of files) rmSync(file);
  await systemctl(place, ['daemon-reload'], false);
  return { removed: files };
}

interface UnitStatus {
  readonly unit: UnitName;
  readonly installed: boolean;
  /** As systemd says it: `active`, `failed`, …; `unknown` where systemd does not run. */
  readonly state: string;
}

function statesOf(place: Place): Promise<UnitStatus[]> {
  return Promise.all(
    UNIT_NAMES.map(async (unit) => ({
      unit,
      installed: existsSync(path.join(place.folder, unit)),
      state: (await systemctl(place, ['is-active', unit], false)) ?? 'unknown',
    })),
  );
}

/** What it printed. Where systemd does not run here (a container), only what must be is an error. */
async function systemctl(place: Place, words: readonly string[], isNeeded: boolean): Promise<string | undefined> {
  const scope = place.scope === 'user' ? ['--user'] : [];
  try {
    const { stdout } = await run('systemctl', [...scope, ...words], {
      env: { ...plainEnvironment(process.env), ...bus() },
    });
    return stdout.trim();
  } catch (cause) {
    const { stdout = '', stderr = '' } = cause as { stdout?: string; stderr?: string };
    if (isNeeded)
      throw new CliError(`systemctl ${words.join(' ')}: ${stderr.trim() || (cause as Error).message}`, EXIT.failed, {
        cause,
      });
    return stdout.trim() || undefined;
  }
}

/** How the systemd of a login is reached. */
function bus(): Record<string, string> {
  const address = process.env['DBUS_SESSION_BUS_ADDRESS'];
  return address === undefined ? {} : { DBUS_SESSION_BUS_ADDRESS: address };
}
