/**
 * The certificate of the gateway: the operator's own files, read again when they change, or one made at the first start
 * (ECDSA P-256, self-signed) whose fingerprint is printed, so that a person can compare it with what the browser shows.
 */
import { constants, createHash, randomBytes, webcrypto, X509Certificate } from 'node:crypto';
import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { hostname, networkInterfaces } from 'node:os';
import path from 'node:path';
import { createSecureContext, DEFAULT_CIPHERS, type SecureContextOptions, type Server as TlsServer } from 'node:tls';
import type { Config } from '../../config.ts';
import { StartError } from '../../errors.ts';
import type { Logger } from '../../log.ts';

export interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** SHA-256 of the certificate, `AB:CD:…`. */
  readonly fingerprint: string;
  readonly isSelfSigned: boolean;
  readonly certFile: string;
  readonly keyFile: string;
  /** Of the files, from before they were read: what changes while they are read is seen too. */
  readonly stamp: string | undefined;
}

/**
 * AES with 128 bits first: a screen that changes all over is bound by encryption, and 256 bits cost a quarter more of it.
 * A client that puts ChaCha20 first (a phone without AES in its processor) gets that.
 */
export const TLS_SETTINGS: SecureContextOptions & { readonly honorCipherOrder: boolean } = {
  minVersion: 'TLSv1.2',
  ciphers: `TLS_AES_128_GCM_SHA256:${DEFAULT_CIPHERS}`,
  honorCipherOrder: true,
  secureOptions: constants.SSL_OP_PRIORITIZE_CHACHA,
};

/** Apple takes no more than 825 days from a certificate of one's own, and 398 of any other; we stay below both. */
const LIMITS = { selfSignedDays: 396, renewDays: 30, pollMs: 2_000 } as const;
const DAY_MS = 86_400_000;
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

/** The certificate to serve with. A self-signed one is kept in `<data>/tls` and made anew before it expires. */
export async function openCertificate(
  config: Pick<Config, 'tls' | 'origins' | 'dataFolder'>,
  now: number,
): Promise<Certificate> {
  const { certFile, keyFile } = config.tls;
  if (certFile !== undefined && keyFile !== undefined)
    return { ...(await load(certFile, keyFile)), isSelfSigned: false };
  const folder = path.join(config.dataFolder, 'tls');
  const own = { cert: path.join(folder, 'cert.pem'), key: path.join(folder, 'key.pem') };
  const present = await load(own.cert, own.key).catch(() => undefined);
  if (
    present !== undefined &&
    now + LIMITS.renewDays * DAY_MS < Date.parse(new X509Certificate(present.cert).validTo)
  ) {
    return { ...present, isSelfSigned: true };
  }
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const made = await makeSelfSigned(namesOf(config.origins), now);
  for (const [file, text] of [
    [own.key, made.key],
    [own.cert, made.cert],
  ] as const) {
    await writeFile(`${file}.new`, text, { mode: 0o600 });
    await rename(`${file}.new`, file);
  }
  return { ...(await load(own.cert, own.key)), isSelfSigned: true };
}

async function load(certFile: string, keyFile: string): Promise<Omit<Certificate, 'isSelfSigned'>> {
  try {
    const stamp = await stampOf(certFile, keyFile);
    const [cert, key] = await Promise.all([readFile(certFile, 'utf8'), readFile(keyFile, 'utf8')]);
    createSecureContext({ cert, key }); // Throws when they do not belong together.
    const der = new X509Certificate(cert).raw;
    const hex = createHash('sha256').update(der).digest('hex').toUpperCase();
    return { cert, key, fingerprint: hex.match(/../g)?.join(':') ?? '', certFile, keyFile, stamp };
  } catch (cause) {
    throw new StartError(`cannot use certificate ${certFile} with key ${keyFile}: ${(cause as Error).message}`, {
      cause,
    });
  }
}

async function makeSelfSigned(
  names: readonly string[],
  now: number,
): Promise<{ readonly cert: string; readonly key: string }> {
  // Loaded here: most gateways have a certificate, or need none.
  await import('reflect-metadata');
  const x509 = await import('@peculiar/x509');
  // What the library's types want is the browser's Crypto; node's own is the same thing.
  x509.cryptoProvider.set(webcrypto as never);
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: randomBytes(16)
      .toString('hex')
      .replace(/^[89a-f]/, '7'),
    name: 'CN=Oriel gateway',
    notBefore: new Date(now - DAY_MS),
    notAfter: new Date(now + LIMITS.selfSignedDays * DAY_MS),
    keys: keys as never,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
      new x509.SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isAddress(value) ? 'ip' : 'dns', value })),
      ),
    ],
  });
  const pkcs8 = await webcrypto.subtle.exportKey('pkcs8', keys.privateKey);
  return { cert: `${cert.toString('pem')}\n`, key: `${x509.PemConverter.encode(pkcs8, 'PRIVATE KEY')}\n` };
}

/** Every name and address under which this machine may be reached. */
function namesOf(origins: readonly string[]): string[] {
  const names = new Set(['localhost', '127.0.0.1', '::1', hostname().toLowerCase()]);
  for (const origin of origins) names.add(new URL(origin).hostname.replaceAll(/[[\]]/g, ''));
  for (const addresses of Object.values(networkInterfaces()))
    for (const { address } of addresses ?? []) names.add(address);
  return [...names];
}

function isAddress(name: string): boolean {
  return name.includes(':') || /^[\d.]+$/.test(name);
}

/** Looks at the files now and then and gives the server the new certificate; a bad pair is logged and the old one stays. */
export function reloadOnChange(
  server: Pick<TlsServer, 'setSecureContext'>,
  certificate: Certificate,
  log: Logger,
  pollMs: number = LIMITS.pollMs,
): () => void {
  const { certFile, keyFile } = certificate;
  let known = certificate.stamp;
  let isLooking = false;
  const look = async (): Promise<void> => {
    const seen = await stampOf(certFile, keyFile);
    if (seen === undefined || seen === known) return;
    known = seen;
    const fresh = await load(certFile, keyFile);
    server.setSecureContext({ ...TLS_SETTINGS, cert: fresh.cert, key: fresh.key });
    log.info({ fingerprint: fresh.fingerprint }, 'tls.reloaded');
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    look()
      .catch((error: unknown) => log.error({ err: error }, 'tls.reload-failed'))
      .finally(() => (isLooking = false));
  }, pollMs);
  timer.unref();
  return () => clearInterval(timer);
}

/** Follows links, as certificate tools swap those. */
async function stampOf(...files: string[]): Promise<string | undefined> {
  try {
    const stats = await Promise.all(files.map((file) => stat(file)));
    return stats.map(({ ino, mtimeMs, size }) => `${ino}:${mtimeMs}:${size}`).join(' ');
  } catch {
    return undefined; // In the middle of a swap: look again later.
  }
}
