/** The account that Oriel runs under as a service of the machine: without a password, a shell or a way to others' files. */
import { execFile } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { promisify } from 'node:util';
import { plainEnvironment } from '@oriel/machine';
import { CliError } from '../base/exit.ts';
import { ACCOUNT } from './units.ts';

const run = promisify(execFile);

export interface AccountOptions {
  readonly dataFolder: string;
  /** What it has to be able to read: the program. */
  readonly program: string;
  readonly hasKvmGroup: boolean;
}

/** Makes it where it is not there, and gives it the data folder. Errors say what to do. */
export async function provideAccount({ dataFolder, program, hasKvmGroup }: AccountOptions): Promise<void> {
  if (idOf(ACCOUNT) === undefined) {
    const words = [
      '--system',
      '--user-group',
      '--home-dir',
      dataFolder,
      '--no-create-home',
      '--shell',
      '/usr/sbin/nologin',
    ];
    const groups = hasKvmGroup ? ['--groups', 'kvm'] : [];
    await run('useradd', [...words, ...groups, ACCOUNT], { env: plainEnvironment(process.env) }).catch(
      (cause: Error) => {
        throw new CliError(`cannot make the account ${ACCOUNT}: ${cause.message.trim()}`, undefined, { cause });
      },
    );
  }
  const account = idOf(ACCOUNT);
  if (account === undefined) throw new CliError(`there is no account ${ACCOUNT}, and it cannot be made`);
  const isThere = existsSync(dataFolder);
  mkdirSync(dataFolder, { recursive: true, mode: 0o700 });
  if (isThere && statSync(dataFolder).uid !== account.uid)
    throw new CliError(`${dataFolder} belongs to another account: chown -R ${ACCOUNT}:${ACCOUNT} ${dataFolder}`);
  chownSync(dataFolder, account.uid, account.gid);
  chmodSync(dataFolder, 0o700);
  await requireReadable(program);
}

/** A program below somebody's home folder cannot be started by an account of its own. */
async function requireReadable(program: string): Promise<void> {
  const words = [`--reuid=${ACCOUNT}`, `--regid=${ACCOUNT}`, '--clear-groups', '--', 'test', '-r', program];
  await run('setpriv', words, { env: plainEnvironment(process.env) }).catch((cause: Error) => {
    const todo = 'install Oriel where everybody can read it, such as /opt/oriel';
    throw new CliError(`the account ${ACCOUNT} cannot read ${program}: ${todo}`, undefined, { cause });
  });
}

function idOf(name: string): { readonly uid: number; readonly gid: number } | undefined {
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined || gid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}
