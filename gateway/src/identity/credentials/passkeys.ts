/**
 * Passkeys (WebAuthn level 2, by @simplewebauthn/server). The relying party is the host of the page's own Origin, which
 * has been compared with our list before. A passkey asks for the user's own check (PIN, finger), so it needs no second factor.
 */
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import { AUTH_LIMITS } from '../../../api/auth.ts';
import { GatewayError } from '../../errors.ts';
import { type Store, uniqueOr } from '../../platform/store/store.ts';
import type { PasskeyRow } from '../../platform/store/tables/auth.ts';
import type { Account } from '../people/accounts.ts';
import type { Ceremonies } from './ceremonies.ts';

/** Loaded when somebody uses it first: it is a fifth of all the files that the gateway's start would wait for. */
const library = (): Promise<typeof import('@simplewebauthn/server')> => import('@simplewebauthn/server');

interface Pending {
  readonly challenge: string;
  readonly origin: string;
}
export interface Ceremony {
  readonly ceremonyId: string;
  readonly options: Record<string, unknown>;
}

export class Passkeys {
  readonly #store: Store;
  readonly #ceremonies: Ceremonies;
  readonly #now: () => number;

  constructor(store: Store, ceremonies: Ceremonies, now: () => number) {
    this.#store = store;
    this.#ceremonies = ceremonies;
    this.#now = now;
  }

  list(userId: string): Promise<PasskeyRow[]> {
    return this.#store.db
      .selectFrom('passkeys')
      .selectAll()
      .where('user_id', '=', userId)
      .orderBy('created_at')
      .orderBy('id')
      .execute();
  }

  async counts(userIds: readonly string[]): Promise<Map<string, number>> {
    if (userIds.length === 0) return new Map();
    const rows = await this.#store.db
      .selectFrom('passkeys')
      .select((count) => ['user_id', count.fn.countAll<number>().as('n')])
      .where('user_id', 'in', userIds)
      .groupBy('user_id')
      .execute();
    return new Map(rows.map((row) => [row.user_id, Number(row.n)]));
  }

  async beginAdd(account: Account, origin: string | undefined): Promise<Ceremony> {
    const rpID = relyingParty(origin);
    const known = await this.list(account.id);
    if (AUTH_LIMITS.passkeysPerUser <= known.length) {
      throw new GatewayError('TOO_MANY', `an account has at most ${AUTH_LIMITS.passkeysPerUser} passkeys`);
    }
    const options = await (await library()).generateRegistrationOptions({
      rpName: 'Oriel',
      rpID,
      userID: new TextEncoder().encode(account.id),
      userName: account.name,
      userDisplayName: account.displayName,
      excludeCredentials: known.map((row) => ({ id: row.id })),
      authenticatorSelection: { residentKey: 'required', userVerification: 'required' },
    });
    const pending: Pending = { challenge: options.challenge, origin: origin ?? '' };
    const ceremonyId = await this.#ceremonies.begin('passkey-add', { userId: account.id }, pending);
    return { ceremonyId, options: { ...options } };
  }

  async finishAdd(account: Account, ceremonyId: string, name: string, response: unknown): Promise<PasskeyRow> {
    const pending = await this.#ceremonies.take<Pending>('passkey-add', account.id, ceremonyId);
    if (pending === undefined) throw new GatewayError('UNPROCESSABLE', 'this took too long; begin again');
    const verified = await (await library())
      .verifyRegistrationResponse({
        response: response as RegistrationResponseJSON,
        expectedChallenge: pending.challenge,
        expectedOrigin: pending.origin,
        expectedRPID: relyingParty(pending.origin),
        requireUserVerification: true,
      })
      .catch((cause: unknown) => {
        throw new GatewayError('UNPROCESSABLE', 'the passkey does not check out', { cause });
      });
    if (!verified.verified) throw new GatewayError('UNPROCESSABLE', 'the passkey does not check out');
    const { credential } = verified.registrationInfo;
    const row: PasskeyRow = {
      id: credential.id,
      user_id: account.id,
      name,
      public_key: Buffer.from(credential.publicKey).toString('base64url'),
      counter: credential.counter,
      transports: JSON.stringify(credential.transports ?? []),
      created_at: this.#now(),
      used_at: null,
    };
    await this.#store.db.insertInto('passkeys').values(row).execute().catch(uniqueOr('this passkey is known already'));
    return row;
  }

  async remove(userId: string, id: string): Promise<boolean> {
    const gone = await this.#store.db
      .deleteFrom('passkeys')
      .where('id', '=', id)
      .where('user_id', '=', userId)
      .executeTakeFirst();
    return gone.numDeletedRows === 1n;
  }

  /** `source`: the network that asks. */
  async beginSignIn(origin: string | undefined, source: string): Promise<Ceremony> {
    const rpID = relyingParty(origin);
    const options = await (await library()).generateAuthenticationOptions({ rpID, userVerification: 'required' });
    const pending: Pending = { challenge: options.challenge, origin: origin ?? '' };
    const ceremonyId = await this.#ceremonies.begin('passkey-sign-in', { source }, pending);
    return { ceremonyId, options: { ...options } };
  }

  /** The user whose passkey answered; undefined where it does not check out. */
  async finishSignIn(ceremonyId: string, response: unknown): Promise<string | undefined> {
    const pending = await this.#ceremonies.take<Pending>('passkey-sign-in', null, ceremonyId);
    const id = (response as { id?: unknown }).id;
    if (pending === undefined || typeof id !== 'string') return undefined;
    const row = await this.#store.db.selectFrom('passkeys').selectAll().where('id', '=', id).executeTakeFirst();
    if (row === undefined) return undefined;
    const verified = await (await library())
      .verifyAuthenticationResponse({
        response: response as AuthenticationResponseJSON,
        expectedChallenge: pending.challenge,
        expectedOrigin: pending.origin,
        expectedRPID: relyingParty(pending.origin),
        requireUserVerification: true,
        credential: {
          id: row.id,
          publicKey: new Uint8Array(Buffer.from(row.public_key, 'base64url')),
          counter: row.counter,
        },
      })
      .catch(() => undefined); // A wrong signature, origin, challenge or a counter that went back: all the same to the caller.
    if (verified?.verified !== true) return undefined;
    const used = { counter: verified.authenticationInfo.newCounter, used_at: this.#now() };
    await this.#store.db.updateTable('passkeys').set(used).where('id', '=', row.id).execute();
    return row.user_id;
  }
}

/** WebAuthn knows hosts by name only, so an address in the browser's address line cannot have passkeys. */
function relyingParty(origin: string | undefined): string {
  if (origin === undefined) throw new GatewayError('BAD_REQUEST', 'passkeys need a page: the request has no Origin');
  const { hostname } = new URL(origin);
  if (hostname.startsWith('[') || /^[\d.]+$/.test(hostname)) {
    throw new GatewayError('UNPROCESSABLE', `passkeys need a host name, not the address ${hostname}`);
  }
  return hostname;
}
