/**
 * Passwords: length before composition, what everybody tries is refused, kept as scrypt records. At most two are hashed
 * at a time (BOUNDED: each takes 64 MiB for a tenth of a second).
 */
import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto';
import { AUTH_LIMITS } from '../../../api/auth.ts';
import { FairQueue } from '../../platform/process/fair-queue.ts';
import { COMMON_WORDS, KEY_ROWS } from './common-passwords.ts';

export interface PasswordCost {
  /** log2 of scrypt's N. */
  readonly logN: number;
  readonly r: number;
  readonly p: number;
}
/** OWASP's second recommendation for scrypt (2^16, 8, 2). */
export const PASSWORD_COST: PasswordCost = { logN: 16, r: 8, p: 2 };
const LIMITS = { saltBytes: 16, hashBytes: 32 } as const;
/** In turn by who asks: a stranger who guesses keeps nobody from signing in. */
const HASHES = { atOnce: 2, atOnceEach: 1, waiting: 100 } as const;
/** Who asks where that is nobody in particular. */
const OURSELVES = '-';

/** Why a password is not good enough, or undefined. Pure. */
export function passwordComplaint(password: string, name: string): string | undefined {
  if (password.length < AUTH_LIMITS.passwordMinChars) return `shorter than ${AUTH_LIMITS.passwordMinChars} characters`;
  const lower = password.toLowerCase();
  const plain = unLeet(lower);
  if (3 <= name.length && plain.includes(unLeet(name.toLowerCase()))) return 'it holds the account name';
  if (new Set(lower).size < 5) return 'too few different characters';
  if (isRepeated(lower)) return 'a short pattern, repeated';
  if (isRun(lower)) return 'a run of neighbouring keys or digits';
  // Digits are either letters in disguise or decoration.
  if (isCommon(plain) || isCommon(lower)) return 'one that everybody tries';
  return undefined;
}

/** Is little left when common words, digits and signs are taken out? */
function isCommon(text: string): boolean {
  const letters = text.replaceAll(/[^a-z]/g, '');
  const rest = COMMON_WORDS.reduce((left, word) => left.replaceAll(word, ''), letters);
  return rest.length < 4 && rest.length !== letters.length;
}

function unLeet(text: string): string {
  const letters: Readonly<Record<string, string>> = {
    '0': 'o',
    '1': 'i',
    '3': 'e',
    '4': 'a',
    '5': 's',
    '7': 't',
    '@': 'a',
    $: 's',
    '!': 'i',
  };
  return text.replaceAll(/[013457@$!]/g, (sign) => letters[sign] ?? sign);
}

function isRepeated(text: string): boolean {
  for (let length = 1; 2 * length <= text.length; length += 1) {
    const pattern = text.slice(0, length);
    if (pattern.repeat(Math.ceil(text.length / length)).slice(0, text.length) === text) return true;
  }
  return false;
}

/** Nothing but steps along keyboard rows, the alphabet or the digits. */
function isRun(text: string): boolean {
  let steps = 0;
  for (let at = 1; at < text.length; at += 1) {
    const pair = text.slice(at - 1, at + 1);
    const reverse = `${pair[1]}${pair[0]}`;
    if (KEY_ROWS.some((row) => row.includes(pair) || row.includes(reverse))) steps += 1;
  }
  return text.length - 3 <= steps;
}

export class PasswordHasher {
  readonly #cost: PasswordCost;
  readonly #queue = new FairQueue(HASHES, 'too many sign-ins at once');
  /** What an unknown account is checked against, so that it takes as long as a known one. */
  #decoy: Promise<string> | undefined;

  constructor(cost: PasswordCost = PASSWORD_COST) {
    this.#cost = cost;
  }

  /** `who` asks: a network, or an account that is signed in. Errors: TOO_MANY. */
  async hash(password: string, who: string = OURSELVES): Promise<string> {
    const salt = randomBytes(LIMITS.saltBytes);
    const hash = await this.#derive(password, salt, this.#cost, who);
    const { logN, r, p } = this.#cost;
    return `scrypt$${logN}$${r}$${p}$${salt.toString('base64url')}$${hash.toString('base64url')}`;
  }

  /** A missing record takes as long as a wrong password. `who`, and errors, as for `hash`. */
  async verify(password: string, record: string | null, who: string = OURSELVES): Promise<boolean> {
    this.#decoy ??= this.hash(randomBytes(16).toString('hex'));
    const [, logN, r, p, salt, hash] = (record ?? (await this.#decoy)).split('$');
    const cost = { logN: Number(logN), r: Number(r), p: Number(p) };
    const derived = await this.#derive(password, Buffer.from(salt ?? '', 'base64url'), cost, who);
    const stored = Buffer.from(hash ?? '', 'base64url');
    return record !== null && stored.byteLength === derived.byteLength && timingSafeEqual(stored, derived);
  }

  /** Was the record made with other costs than today's? */
  isOutdated(record: string): boolean {
    const { logN, r, p } = this.#cost;
    return !record.startsWith(`scrypt$${logN}$${r}$${p}$`);
  }

  #derive(password: string, salt: Buffer, cost: PasswordCost, who: string): Promise<Buffer> {
    const options: ScryptOptions = { N: 2 ** cost.logN, r: cost.r, p: cost.p, maxmem: 256 * 2 ** cost.logN * cost.r };
    const derive = (): Promise<Buffer> =>
      new Promise((resolve, reject) => {
        // NFC, so that the same password typed on another keyboard has the same bytes.
        scrypt(password.normalize('NFC'), salt, LIMITS.hashBytes, options, (error, key) =>
          error === null ? resolve(key) : reject(error),
        );
      });
    return this.#queue.run(who, derive);
  }
}
