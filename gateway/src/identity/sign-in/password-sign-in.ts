/** Signing in with a name and a password: local accounts and the directory, second factor, lockout. */
import { foldName } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import { widerOf } from '../../platform/network/address.ts';
import type { Subject } from '../credentials/lockout.ts';
import { passwordComplaint } from '../credentials/passwords.ts';
import type { Account } from '../people/accounts.ts';
import type { Auth } from './auth.ts';
import { admit } from './external.ts';
import { bindAtDirectory, type DirectoryEntry, findInDirectory } from './ldap.ts';

/** Where a guess comes from. */
export interface Asker {
  readonly address: string;
  /** The value of the device's cookie. */
  readonly device: string | undefined;
}

export interface PasswordSignIn extends Asker {
  readonly name: string;
  readonly password: string;
  readonly code?: string | undefined;
}

/** Whom a typed name means: several spellings of a name mean one account, here and in the directory. */
interface Meant {
  readonly account: Account | undefined;
  readonly entry: DirectoryEntry | undefined;
  /** What guesses are counted by. */
  readonly counted: string;
}

/** The account and how it signed in. One message for every wrong half, so that nobody learns which names exist. */
export async function signInByPassword(
  auth: Auth,
  given: PasswordSignIn,
): Promise<{ readonly account: Account; readonly method: string }> {
  const meant = await find(auth, foldName(given.name), given);
  // One at a time for each account: else a hundred guesses at once would all pass the check before the first has failed.
  return auth.oneByOne.run(meant.counted, () => signInOnce(auth, meant, given));
}

/** Whose turn it is that sign-ins take: a device that the account has signed in from has turns of its own. */
function turnOf({ address }: Pick<Asker, 'address'>, account?: Account, device?: string): string {
  return account !== undefined && device !== undefined ? `account ${account.id}` : `network ${widerOf(address)}`;
}

async function find(auth: Auth, name: string, asker: Asker): Promise<Meant> {
  const account = await auth.accounts.findByName(name);
  if (account !== undefined && account.source !== 'ldap') return { account, entry: undefined, counted: account.name };
  const { ldap } = auth;
  const device = account && (await auth.devices.find(asker.device, account.id));
  const search = async (): Promise<DirectoryEntry | undefined> => ldap && findInDirectory(ldap, name);
  const entry = ldap && (await auth.directory.run(turnOf(asker, account, device), search));
  if (entry === undefined) return { account: undefined, entry, counted: name };
  const known = await auth.accounts.findBySubject('ldap', entry.subject);
  return { account: known, entry, counted: known?.name ?? `ldap ${entry.subject}` };
}

async function signInOnce(
  auth: Auth,
  meant: Meant,
  given: PasswordSignIn,
): Promise<{ readonly account: Account; readonly method: string }> {
  const subject = await subjectOf(auth, meant.account, meant.counted, given);
  await auth.lockout.check(subject);
  const refuse = async (): Promise<never> => {
    await auth.lockout.failed(subject);
    throw new GatewayError('SIGN_IN_FAILED', 'name, password or code is wrong');
  };
  const found = await findByPassword(auth, meant, given.password, turnOf(given, meant.account, subject.device));
  if (found === undefined) return refuse();
  if (found.account.totpSecret !== null) {
    // The password was right: asking for the code is no failure, a wrong code is.
    if (given.code === undefined) throw new GatewayError('SECOND_FACTOR_NEEDED', 'send the one-time code too');
    if (!(await auth.totp.check(found.account, given.code))) return refuse();
  }
  await auth.lockout.succeeded(subject);
  return { account: found.account, method: found.account.totpSecret === null ? found.method : `${found.method}+code` };
}

async function subjectOf(
  auth: Auth,
  account: Account | undefined,
  counted: string,
  { address, device }: Asker,
): Promise<Subject> {
  const known = account === undefined ? undefined : await auth.devices.find(device, account.id);
  return { account: counted, device: known, address };
}

async function findByPassword(
  auth: Auth,
  { account, entry }: Meant,
  password: string,
  turn: string,
): Promise<{ account: Account; method: string } | undefined> {
  const record = entry === undefined ? (account?.password ?? null) : null;
  // A name that is not a local one is hashed too: the time must not tell.
  const isRight = await auth.passwords.verify(password, record, turn);
  const { ldap } = auth;
  if (entry !== undefined && ldap !== undefined) {
    const profile = await auth.directory.run(turn, () => bindAtDirectory(ldap, entry, password));
    return profile && { account: await admit(auth, profile), method: 'ldap' };
  }
  if (account === undefined || record === null || !isRight || account.isDisabled) return undefined;
  if (auth.passwords.isOutdated(record)) {
    await auth.accounts.setPassword(account.id, await auth.passwords.hash(password, turn));
  }
  return { account, method: 'password' };
}

/**
 * Runs a check of something that can be guessed (a password, a code) for a signed-in account: one at a time, held up and
 * counted as a sign-in is. Throws LOCKED_OUT, or SIGN_IN_FAILED with `message` where it gives undefined or false.
 */
export function counted<T>(
  auth: Auth,
  account: Account,
  asker: Asker,
  message: string,
  check: () => Promise<T>,
): Promise<Exclude<T, false | undefined>> {
  return auth.oneByOne.run(account.name, async () => {
    const subject = await subjectOf(auth, account, account.name, asker);
    await auth.lockout.check(subject);
    const result = await check();
    if (result !== undefined && result !== false) return result as Exclude<T, false | undefined>;
    await auth.lockout.failed(subject);
    throw new GatewayError('SIGN_IN_FAILED', message);
  });
}

/** Is this the account's own password, wherever it is kept? */
export async function isPasswordOf(auth: Auth, account: Account, password: string): Promise<boolean> {
  if (account.password !== null) return auth.passwords.verify(password, account.password, `account ${account.id}`);
  if (account.source !== 'ldap' || auth.ldap === undefined) return false;
  const entry = await findInDirectory(auth.ldap, account.name);
  if (entry === undefined || entry.subject !== account.subject) return false;
  return (await bindAtDirectory(auth.ldap, entry, password)) !== undefined;
}

/** Sets a password after the rules; other sign-ins, API tokens and links of the account end. */
export async function changePassword(
  auth: Auth,
  account: Account,
  given: { readonly currentPassword?: string | undefined; readonly newPassword: string },
  keepSessionId: string | undefined,
  asker: Asker,
): Promise<void> {
  if (account.source !== 'local') throw new GatewayError('UNPROCESSABLE', 'this account has its password elsewhere');
  const { password } = account;
  if (password !== null) {
    await counted(
      auth,
      account,
      asker,
      'the current password is wrong',
      async () => given.currentPassword !== undefined && isPasswordOf(auth, account, given.currentPassword),
    );
  }
  await auth.accounts.setPassword(account.id, await acceptedPassword(auth, given.newPassword, account.name));
  await auth.endCredentials(account.id, keepSessionId);
}

/** The record of a password that passes the rules; UNPROCESSABLE says which rule it breaks. */
export async function acceptedPassword(auth: Auth, password: string, name: string): Promise<string> {
  const complaint = passwordComplaint(password, name);
  if (complaint !== undefined) throw new GatewayError('UNPROCESSABLE', `this password will not do: ${complaint}`);
  return auth.passwords.hash(password);
}
