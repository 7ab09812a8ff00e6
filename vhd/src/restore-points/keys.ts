/**
 * The key of an encrypted repository. What encrypts the data is a random key; it lies in the repository, wrapped by what
 * people keep elsewhere: a passphrase or a key file. Who loses that has lost the data.
 */
import { randomBytes, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { z } from 'zod';
import { VhdError } from '../errors.ts';
import { openAlone, sealAlone } from './sealing.ts';

/** How the data key is wrapped. Costs of scrypt (RFC 7914): 32 MiB and a third of a second for each guess. */
export const WrappedKey: z.ZodType<WrappedKey> = z.object({
  kdf: z.literal('scrypt'),
  cost: z.int().min(14).max(20),
  salt: z.string().regex(/^[0-9a-f]{32}$/),
  wrapped: z.string().regex(/^[0-9a-f]{120}$/),
});
export interface WrappedKey {
  readonly kdf: 'scrypt';
  /** Logarithm of N; r is 8, p 3. */
  readonly cost: number;
  readonly salt: string;
  readonly wrapped: string;
}

const COST = 15;
const CONTEXT = 'oriel repository key';
const derive = promisify<Uint8Array, Uint8Array, number, object, Buffer>(scrypt);

/** A new data key, and how it is kept. `secret`: the passphrase, or the bytes of the key file. */
export async function newKey(
  secret: Uint8Array,
  cost: number = COST,
): Promise<{ readonly key: Uint8Array; readonly wrapped: WrappedKey }> {
  if (secret.byteLength < 8) throw new VhdError('USAGE', 'the secret of a repository has at least 8 bytes');
  const key = randomBytes(32);
  const salt = randomBytes(16);
  const outer = await wrappingKey(secret, salt, cost);
  const wrapped = Buffer.from(sealAlone(key, outer, CONTEXT)).toString('hex');
  return { key, wrapped: { kdf: 'scrypt', cost, salt: salt.toString('hex'), wrapped } };
}

/** Errors: WRONG_SECRET where it is another secret. */
export async function openKey(secret: Uint8Array, { salt, cost, wrapped }: WrappedKey): Promise<Uint8Array> {
  const outer = await wrappingKey(secret, Buffer.from(salt, 'hex'), cost);
  const key = openAlone(Buffer.from(wrapped, 'hex'), outer, CONTEXT);
  if (key === undefined)
    throw new VhdError('WRONG_SECRET', 'the passphrase or key file is not that of this repository');
  return key;
}

const wrappingKey = (secret: Uint8Array, salt: Uint8Array, cost: number): Promise<Buffer> =>
  derive(secret, salt, 32, { N: 2 ** cost, r: 8, p: 3, maxmem: 256 * 2 ** cost * 8 });
