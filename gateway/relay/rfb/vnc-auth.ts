/** VNC authentication, the answer to a challenge. RFC 6143, 7.2.2. Pure. */
import { createCipheriv } from 'node:crypto';

/**
 * Only eight characters count and DES is no protection (S15): it is spoken only with one-time secrets, on unix sockets or
 * under TLS. Three times the same key makes single DES of 3DES, the one of the two that OpenSSL 3 still has.
 */
export function answerChallenge(challenge: Uint8Array, secret: string): Buffer {
  const password = Buffer.from(secret, 'latin1');
  const key = Buffer.alloc(8);
  for (let i = 0; i < 8; i += 1) key[i] = mirror(password[i] ?? 0);
  const cipher = createCipheriv('des-ede3', Buffer.concat([key, key, key]), null).setAutoPadding(false);
  return Buffer.concat([cipher.update(challenge), cipher.final()]);
}

/** "The bits of each byte of the key are in reverse order" (rfbproto, "VNC Authentication"). */
function mirror(byte: number): number {
  let mirrored = 0;
  for (let bit = 0; bit < 8; bit += 1) mirrored |= ((byte >> bit) & 1) << (7 - bit);
  return mirrored;
}
