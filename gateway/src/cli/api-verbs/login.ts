/** `oriel login`, `oriel logout` and `oriel profile …`: which gateway the command talks to, and as whom. */
import { X509Certificate } from 'node:crypto';
import { createInterface } from 'node:readline/promises';
import { connect } from 'node:tls';
import { Command } from 'commander';
import { getMe } from '../../../api/auth.ts';
import { type Cli, clientOf, globals, show } from '../base/context.ts';
import { CliError, EXIT } from '../base/exit.ts';
import { table } from '../base/output.ts';
import { profilePath, readProfiles, writeProfiles } from '../base/profiles.ts';

interface LoginOptions {
  readonly name: string;
  readonly fingerprint?: string;
}

export function loginCommand(cli: Cli): Command {
  return new Command('login')
    .description('keep a token for a gateway; the token is typed or piped in, never an argument')
    .argument('<url>', 'such as https://oriel.example:8443')
    .option('--name <profile>', 'what the profile is called', 'default')
    .option('--fingerprint <sha256>', 'trust the self-signed certificate with this SHA-256, as oriel start prints it')
    .addHelpText(
      'after',
      '\nMake a token on the page of your account, or on the gateway with: oriel admin token create\n\nExamples:\n  oriel login https://oriel.example:8443\n  oriel login https://oriel.example --name prod < token.txt',
    )
    .action(async (address: string, options: LoginOptions, command: Command) => {
      const url = originOf(address);
      const ca = options.fingerprint === undefined ? undefined : await certificateWith(url, options.fingerprint);
      const token = await readToken(cli);
      const access = { url, token, ...(ca === undefined ? {} : { ca }) };
      const me = await clientOf(access).call(getMe, {});
      const file = profilePath(cli.env);
      const before = readProfiles(file);
      const name = globals(command).profile ?? options.name;
      writeProfiles(file, { current: name, profiles: { ...before.profiles, [name]: access } });
      show(cli, command, { profile: name, url, user: me.name }, () => `signed in to ${url} as ${me.name}\n`);
    });
}

export function logoutCommand(cli: Cli): Command {
  return new Command('logout')
    .description('forget the token of a gateway (revoke it on the page of your account)')
    .argument('[profile]')
    .action((called: string | undefined, _: unknown, command: Command) => {
      const file = profilePath(cli.env);
      const { current, profiles } = readProfiles(file);
      const name = called ?? globals(command).profile ?? current;
      if (profiles[name] === undefined) throw new CliError(`no profile ${name}`, EXIT.notFound);
      const rest = Object.fromEntries(Object.entries(profiles).filter(([one]) => one !== name));
      writeProfiles(file, {
        current: current === name ? (Object.keys(rest)[0] ?? 'default') : current,
        profiles: rest,
      });
      show(cli, command, { profile: name }, () => `forgot ${name}\n`);
    });
}

export function profileCommand(cli: Cli): Command {
  const profile = new Command('profile').description('gateways that this command knows');
  profile
    .command('list')
    .alias('ls')
    .description('list profiles')
    .action((_: unknown, command: Command) => {
      const { current, profiles } = readProfiles(profilePath(cli.env));
      const rows = Object.entries(profiles).map(([name, { url }]) => ({ name, url, isCurrent: name === current }));
      show(cli, command, rows, (all) =>
        table(all, [
          { title: '', value: (row) => (row.isCurrent ? '*' : ' ') },
          { title: 'name', value: (row) => row.name },
          { title: 'url', value: (row) => row.url },
        ]),
      );
    });
  profile
    .command('use')
    .description('talk to this gateway from now on')
    .argument('<name>')
    .action((name: string, _: unknown, command: Command) => {
      const file = profilePath(cli.env);
      const before = readProfiles(file);
      if (before.profiles[name] === undefined) throw new CliError(`no profile ${name}`, EXIT.notFound);
      writeProfiles(file, { ...before, current: name });
      show(cli, command, { profile: name }, () => `using ${name}\n`);
    });
  return profile;
}

function originOf(address: string): string {
  try {
    const { origin, protocol } = new URL(address);
    if (protocol === 'https:' || protocol === 'http:') return origin;
  } catch {
    // Falls through to the refusal.
  }
  throw new CliError(`${address} is not an address such as https://oriel.example:8443`, EXIT.usage);
}

async function readToken(cli: Cli): Promise<string> {
  if (cli.terminal.columns !== undefined) cli.terminal.err('token: ');
  const lines = createInterface({ input: cli.input, terminal: false });
  for await (const line of lines) {
    lines.close();
    if (line.trim() !== '') return line.trim();
  }
  throw new CliError('no token was given on standard input', EXIT.usage);
}

/** The certificate that the gateway shows, if it is the one that is meant. */
async function certificateWith(url: string, fingerprint: string): Promise<string> {
  const { hostname, port } = new URL(url);
  const shown = await new Promise<X509Certificate>((resolve, reject) => {
    // Trusted only once its fingerprint has been compared: nothing is sent on this connection.
    const socket = connect(
      { host: hostname, port: port === '' ? 443 : Number(port), rejectUnauthorized: false },
      () => {
        const certificate = socket.getPeerX509Certificate();
        socket.destroy();
        if (certificate === undefined) reject(new CliError(`${url} shows no certificate`));
        else resolve(new X509Certificate(certificate.raw));
      },
    );
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
    socket.on('error', (cause) =>
      reject(new CliError(`cannot reach ${url}: ${cause.message}`, EXIT.unreachable, { cause })),
    );
  });
  const plain = (text: string): string => text.replaceAll(/[^0-9a-f]/gi, '').toLowerCase();
  if (plain(shown.fingerprint256) !== plain(fingerprint)) {
    throw new CliError(
      `${url} shows a certificate with the SHA-256 ${shown.fingerprint256}, not the one given`,
      EXIT.denied,
    );
  }
  return shown.toString();
}
