/** Ids and random secrets. A secret is shown once and kept as its SHA-256; it is found by that hash, so no byte-wise comparison leaks. */
import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = 'abcdefghijkmnpqrstuvwxyz23456789';
const ID_CHARS = 16;

/** Random bytes for ids, fetched many at a time: every request takes some, and a fetch costs more than an id. */
let ready = Buffer.alloc(0);

/** 80 random bits in 16 letters and digits that nobody mistakes for each other; safe in a URL, a file name and a shell. */
export function newId(): string {
  if (ready.byteLength < ID_CHARS) ready = randomBytes(256 * ID_CHARS);
  let id = '';
  for (let at = 0; at < ID_CHARS; at += 1) id += ALPHABET[(ready[at] ?? 0) % ALPHABET.length];
  ready = ready.subarray(ID_CHARS);
  return id;
}

/** 256 random bits as 43 characters of base64url. */
export function newSecret(): string {
  return randomBytes(32).toString('base64url');
}

export const SECRET_SHAPE: RegExp = /^[A-Za-z0-9_-]{43}$/;

export function hashSecret(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}
