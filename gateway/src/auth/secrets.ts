/** Ids and random secrets. A secret is shown once and kept as its SHA-256; it is found by that hash, so no byte-wise comparison leaks. */
import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const ID_CHARS = 16;

/** 80 random bits in 16 letters and digits that nobody mistakes for each other; safe in a URL, a file name and a shell. */
export function newId(): string {
  return Array.from(randomBytes(ID_CHARS), (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

/** 256 random bits as 43 characters of base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

export const SECRET_SHAPE: RegExp = /^[A-Za-z0-9_-]{43}$/;

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
