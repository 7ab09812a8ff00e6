/** One-time codes (RFC 6238: SHA-1, 6 digits, 30 s, as every authenticator app has them) and recovery codes. */
import { Secret, TOTP } from 'otpauth';
import { GatewayError } from '../../errors.ts';
import { hashSecret, newId } from '../../platform/secrets/secrets.ts';
import type { Store } from '../../platform/store/store.ts';
import type { Account } from '../people/accounts.ts';
import type { Ceremonies } from './ceremonies.ts';

/** One step either way: clocks differ and people type slowly. `clockWindow`: an hour, which clocks that are set to another zone's are off by. */
const STEP = { seconds: 30, window: 1, clockWindow: 130, secretBytes: 20, recoveryCodes: 10 } as const;

export class Totp {
  readonly #store: Store;
  readonly #ceremonies: Ceremonies;
  readonly #now: () => number;

  constructor(store: Store, ceremonies: Ceremonies, now: () => number) {
    this.#store = store;
    this.#ceremonies = ceremonies;
    this.#now = now;
  }

  /** A new secret, which counts once a code made with it has come back. */
  async start(account: Account): Promise<{ readonly secret: string; readonly uri: string }> {
    if (account.totpSecret !== null)
      throw new GatewayError('CONFLICT', 'one-time codes are on already; turn them off first');
    const secret = new Secret({ size: STEP.secretBytes }).base32;
    await this.#ceremonies.begin('totp', { userId: account.id }, { secret });
    return { secret, uri: totpOf(secret, account.name).toString() };
  }

  /** Turns codes on; undefined where the code is wrong. Gives the recovery codes, which are kept as hashes. */
  async confirm(account: Account, code: string): Promise<readonly string[] | undefined> {
    const pending = await this.#ceremonies.peek<{ secret: string }>('totp', account.id);
    if (pending === undefined) throw new GatewayError('CONFLICT', 'begin to set up one-time codes first');
    const step = this.#stepOf(pending.secret, code);
    if (step === undefined) {
      const minutes = this.#minutesOff(pending.secret, code);
      if (minutes !== undefined)
        throw new GatewayError(
          'SIGN_IN_FAILED',
          `the code is that of ${Math.abs(minutes)} min ${minutes < 0 ? 'ago' : 'from now'}: set the clock of the device that made it, and type a new one`,
        );
      return undefined;
    }
    const codes = Array.from({ length: STEP.recoveryCodes }, () => newId().replaceAll(/(.{4})(?=.)/g, '$1-'));
    await this.#store.db.transaction().execute(async (tx) => {
      await tx
        .updateTable('users')
        .set({ totp_secret: pending.secret, totp_step: step })
        .where('id', '=', account.id)
        .execute();
      await tx.deleteFrom('recovery_codes').where('user_id', '=', account.id).execute();
      const rows = codes.map((one) => ({ user_id: account.id, code_hash: hashOf(one), used_at: null }));
      await tx.insertInto('recovery_codes').values(rows).execute();
    });
    await this.#ceremonies.drop('totp', account.id);
    return codes;
  }

  /** Is this a code of now that was not used yet, or an unused recovery code? Uses it up. */
  async check(account: Account, code: string): Promise<boolean> {
    if (account.totpSecret === null) return false;
    if (!/^\d{6}$/.test(code)) return this.#useRecoveryCode(account.id, code);
    const step = this.#stepOf(account.totpSecret, code);
    if (step === undefined) return false;
    // The condition is in the update, so that of two sign-ins with one code only one gets in.
    const used = await this.#store.db
      .updateTable('users')
      .set({ totp_step: step })
      .where('id', '=', account.id)
      .where('totp_step', '<', step)
      .executeTakeFirst();
    return used.numUpdatedRows === 1n;
  }

  async stop(userId: string): Promise<void> {
    await this.#store.db.transaction().execute(async (tx) => {
      await tx.updateTable('users').set({ totp_secret: null, totp_step: 0 }).where('id', '=', userId).execute();
      await tx.deleteFrom('recovery_codes').where('user_id', '=', userId).execute();
    });
    await this.#ceremonies.drop('totp', userId);
  }

  async #useRecoveryCode(userId: string, code: string): Promise<boolean> {
    const used = await this.#store.db
      .updateTable('recovery_codes')
      .set({ used_at: this.#now() })
      .where('user_id', '=', userId)
      .where('code_hash', '=', hashOf(code))
      .where('used_at', 'is', null)
      .executeTakeFirst();
    return used.numUpdatedRows === 1n;
  }

  #stepOf(secret: string, code: string): number | undefined {
    const now = this.#now();
    const delta = totpOf(secret, '').validate({ token: code, window: STEP.window, timestamp: now });
    return delta === null ? undefined : Math.floor(now / 1000 / STEP.seconds) + delta;
  }

  /** A code of the right secret and another time: only told while the secret is being set up, to who has just been given it. */
  #minutesOff(secret: string, code: string): number | undefined {
    const delta = totpOf(secret, '').validate({ token: code, window: STEP.clockWindow, timestamp: this.#now() });
    return delta === null
      ? undefined
      : Math.sign(delta) * Math.max(1, Math.round((Math.abs(delta) * STEP.seconds) / 60));
  }
}

function totpOf(secret: string, label: string): TOTP {
  return new TOTP({
    issuer: 'Oriel',
    label,
    secret: Secret.fromBase32(secret),
    period: STEP.seconds,
    digits: 6,
    algorithm: 'SHA1',
  });
}

/** People leave the dashes out, or type capitals. */
function hashOf(code: string): string {
  return hashSecret(code.toLowerCase().replaceAll(/[^a-z0-9]/g, ''));
}
