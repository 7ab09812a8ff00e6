/** Signing in with a name and a password: local accounts and the directory, second factor, lockout. */
import { GatewayError } from '../../errors.ts';
import { passwordComplaint } from '../credentials/passwords.ts';
import type { Account } from '../people/accounts.ts';
import type { Auth } from './auth.ts';
import { admit } from './external.ts';
import { ldapSignIn } from './ldap.ts';

export interface PasswordSignIn {
  readonly name: string;
  readonly password: string;
  readonly code?: string | undefined;
  readonly address: string;
}

/** The account and how it signed in. One message for every wrong half, so that nobody learns which names exist. */
export async function signInByPassword(
  auth: Auth,
  given: PasswordSignIn,
): Promise<{ readonly account: Account; readonly method: string }> {
  const name = given.name.trim().toLowerCase();
  // One at a time for each name: else a hundred guesses at once would all pass the check before the first has failed.
  return auth.oneByOne.run(name, () => signInOnce(auth, name, given));
}

async function signInOnce(
  auth: Auth,
  name: string,
  given: PasswordSignIn,
): Promise<{ readonly account: Account; readonly method: string }> {
  const subject = { account: name, address: given.address };
  await auth.lockout.check(subject);
  const refuse = async (): Promise<never> => {
    await auth.lockout.failed(subject);
    throw new GatewayError('SIGN_IN_FAILED', 'name, password or code is wrong');
  };
  const found = await findByPassword(auth, name, given.password);
  if (found === undefined) return refuse();
  if (found.account.totpSecret !== null) {
    // The password was right: asking for the code is no failure, a wrong code is.
    if (given.code === undefined) throw new GatewayError('SECOND_FACTOR_NEEDED', 'send the one-time code too');
    if (!(await auth.totp.check(found.account, given.code))) return refuse();
  }
  await auth.lockout.succeeded(name);
  return { account: found.account, method: found.account.totpSecret === null ? found.method : `${found.method}+code` };
}

async function findByPassword(
  auth: Auth,
  name: string,
  password: string,
): Promise<{ account: Account; method: string } | undefined> {
  const account = await auth.accounts.findByName(name);
  const isLocal = account !== undefined && account.password !== null;
  // A name that is not a local one is hashed too: the time must not tell.
  const isRight = await auth.passwords.verify(password, account?.password ?? null);
  if (isLocal) {
    if (!isRight || account.isDisabled) return undefined;
    if (account.password !== null && auth.passwords.isOutdated(account.password)) {
      await auth.accounts.setPassword(account.id, await auth.passwords.hash(password));
    }
    return { account, method: 'password' };
  }
  const isForeign = account !== undefined && account.source !== 'ldap';
  if (auth.ldap === undefined || isForeign) return undefined;
  const profile = await ldapSignIn(auth.ldap, name, password);
  return profile && { account: await admit(auth, profile), method: 'ldap' };
}

/** Sets a password after the rules; other sign-ins of the account end. */
export async function changePassword(
  auth: Auth,
  account: Account,
  given: { readonly currentPassword?: string | undefined; readonly newPassword: string },
  keepSessionId: string | undefined,
  address: string,
): Promise<void> {
  if (account.source !== 'local') throw new GatewayError('UNPROCESSABLE', 'this account has its password elsewhere');
  if (account.password !== null) {
    const subject = { account: account.name, address };
    await auth.lockout.check(subject);
    if (
      given.currentPassword === undefined ||
      !(await auth.passwords.verify(given.currentPassword, account.password))
    ) {
      await auth.lockout.failed(subject);
      throw new GatewayError('SIGN_IN_FAILED', 'the current password is wrong');
    }
  }
  await auth.accounts.setPassword(account.id, await acceptedPassword(auth, given.newPassword, account.name));
  await auth.browserSessions.endOthers(account.id, keepSessionId);
}

/** The record of a password that passes the rules; UNPROCESSABLE says which rule it breaks. */
export async function acceptedPassword(auth: Auth, password: string, name: string): Promise<string> {
  const complaint = passwordComplaint(password, name);
  if (complaint !== undefined) throw new GatewayError('UNPROCESSABLE', `this password will not do: ${complaint}`);
  return auth.passwords.hash(password);
}
