/**
 * Secrets that the gateway has to use again (a repository's passphrase, a key of an S3 server): encrypted in the store, with
 * a key that lies in the data folder and in no backup of the store. Who restores the store elsewhere gives them again.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { GatewayError } from '../../errors.ts';

const FILE = 'secrets.key';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;

export class Vault {
  readonly #key: Buffer;

  /** Of a data folder; makes the key at the first time. */
  constructor(folder: string) {
    this.#key = keyIn(path.join(folder, FILE));
  }

  /** `what` has to be the same when it is opened: a secret that is moved to another row does not open. */
  seal(secret: string, what: string): string {
    const nonce = randomBytes(NONCE_BYTES);
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonce).setAAD(Buffer.from(what));
    return Buffer.concat([nonce, cipher.update(secret, 'utf8'), cipher.final(), cipher.getAuthTag()]).toString(
      'base64',
    );
  }

  /** Errors: CONFLICT where it was sealed with another key. */
  open(sealed: string, what: string): string {
    const bytes = Buffer.from(sealed, 'base64');
    try {
      const decipher = createDecipheriv('aes-256-gcm', this.#key, bytes.subarray(0, NONCE_BYTES)).setAAD(
        Buffer.from(what),
      );
      decipher.setAuthTag(bytes.subarray(bytes.byteLength - TAG_BYTES));
      const body = bytes.subarray(NONCE_BYTES, bytes.byteLength - TAG_BYTES);
      return Buffer.concat([decipher.update(body), decipher.final()]).toString('utf8');
    } catch (cause) {
      throw new GatewayError(
        'CONFLICT',
        `the secret of ${what} was stored by a gateway with another key: give it again`,
        {
          cause,
        },
      );
    }
  }
}

function keyIn(file: string): Buffer {
  try {
    writeFileSync(file, randomBytes(KEY_BYTES), { mode: 0o600, flag: 'wx' });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  const key = readFileSync(file);
  if (key.byteLength !== KEY_BYTES) throw new GatewayError('INTERNAL', `${file} is not a key of ${KEY_BYTES} bytes`);
  return key;
}
