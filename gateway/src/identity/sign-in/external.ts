/** Accounts that come from outside (single sign-on, directory): made at the first sign-in, groups brought up to date at each. */
import { userName } from '../../../api/auth.ts';
import { foldName, withoutDeceptive } from '../../../api/text.ts';
import { GatewayError } from '../../errors.ts';
import type { Account } from '../people/accounts.ts';
import type { Auth } from './auth.ts';

export interface ExternalProfile {
  /** `ldap` or `oidc:<issuer>`. */
  readonly source: string;
  /** What stays the same when the name changes: the `sub` claim, the entry's UUID or DN. */
  readonly subject: string;
  readonly name: string;
  readonly displayName: string;
  readonly groups: readonly string[];
}

const LIMITS = { names: 100, groups: 1_000, displayNameChars: 128 } as const;

export async function admit(auth: Auth, profile: ExternalProfile): Promise<Account> {
  const account =
    (await auth.accounts.findBySubject(profile.source, profile.subject)) ?? (await provision(auth, profile));
  if (account.isDisabled) throw new GatewayError('SIGN_IN_FAILED', 'this account is disabled');
  await auth.groups.syncExternal(account.id, profile.groups.slice(0, LIMITS.groups));
  return account;
}

/** A name that is taken (by a local account, say) never gives that account away: the newcomer gets another name. */
async function provision(auth: Auth, profile: ExternalProfile): Promise<Account> {
  const wanted = plainName(profile.name);
  for (let number = 1; number <= LIMITS.names; number += 1) {
    const name = number === 1 ? wanted : `${Array.from(wanted).slice(0, 60).join('')}-${number}`;
    if ((await auth.accounts.findByName(name)) !== undefined) continue;
    return auth.accounts.create({
      name,
      displayName: withoutDeceptive(profile.displayName).trim().slice(0, LIMITS.displayNameChars) || name,
      roles: ['user'],
      source: profile.source,
      subject: profile.subject,
    });
  }
  throw new GatewayError('ALREADY_EXISTS', `too many accounts are called ${wanted}`);
}

function plainName(name: string): string {
  const letters = foldName(name)
    .replaceAll(/[^\p{L}\p{M}\p{N}._@'-]/gu, '-')
    .replace(/^[^\p{L}\p{N}]+/u, '');
  const plain = Array.from(letters).slice(0, 60).join('');
  return userName.safeParse(plain).success ? plain : 'user';
}
