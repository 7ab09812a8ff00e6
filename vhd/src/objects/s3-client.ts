/** Opening a bucket: what people say of it is checked, the SDK is loaded, and the server is asked whether it is there. */
import { readFileSync } from 'node:fs';
import type { S3, S3ClientConfig } from '@aws-sdk/client-s3';
import { VhdError } from '../errors.ts';
import { requireKey } from './object-store.ts';
import { nameOf, type S3Place, s3Error, statusOf } from './s3-errors.ts';
import { S3Store } from './s3-store.ts';

export interface S3Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface S3Options {
  readonly bucket: string;
  /** What the names of all objects begin with, without a slash at its end; nothing when left out. */
  readonly prefix?: string;
  /** `https://s3.example.org:9000`; Amazon's for the region when left out. */
  readonly endpoint?: string;
  /** `us-east-1` when left out: what servers call themselves whose owner said nothing else. */
  readonly region?: string;
  /** Those of this machine when left out: its environment, profile or role. */
  readonly credentials?: S3Credentials;
  /** The bucket stands in the path, not in front of the host name. True when left out and an endpoint is given. */
  readonly isPathStyle?: boolean;
  /** A PEM file: the authorities that the server's certificate may come from, in place of the system's. */
  readonly caFile?: string;
  /** How often a request is tried, with growing pauses, before it has failed; 9 when left out: about 25 seconds. */
  readonly attempts?: number;
}

const CONNECT_MS = 10_000;
/** Without a byte in either direction. Servers take their time to put the parts of a large object together. */
const SILENCE_MS = 120_000;
/** BOUNDED: connections at a time. */
const CONNECTIONS = 16;
const ATTEMPTS = 9;
/** While a bucket is opened somebody waits, and a wrong address is likelier than a server that comes back. */
const ATTEMPTS_TO_OPEN = 2;
/** How long two puts that began at the same time can take to see each other, on servers that do not decide. */
const SETTLE_MS = 1_000;

const BUCKET = /^[a-z0-9][a-z0-9._-]{1,61}[a-z0-9]$/i;
const PREFIX_LIMIT = 256;

/**
 * Errors: USAGE for options that cannot be, or another region; DENIED for credentials; NOT_FOUND where there is no such
 * bucket or no such file; IO where the server cannot be reached or its certificate is not trusted.
 */
export async function openS3Store(options: S3Options): Promise<S3Store> {
  const { attempts = ATTEMPTS } = options;
  const place = placeOf(options);
  const connect = await connectorOf(options);
  const asking = connect(Math.min(attempts, ATTEMPTS_TO_OPEN));
  try {
    const prefix = options.prefix === undefined || options.prefix === '' ? '' : `${options.prefix}/`;
    const isVersioned = await lookAt(asking, place, prefix);
    const isKeeping = isVersioned && (await hasLock(asking, place.bucket));
    const settleMs = options.endpoint === undefined ? 0 : SETTLE_MS;
    return new S3Store(connect(attempts), { place, prefix, isVersioned, isKeeping, settleMs });
  } catch (error) {
    const told = s3Error('open the bucket', error, place);
    if (nameOf(error) !== 'NoSuchBucket') throw told;
    throw new VhdError('NOT_FOUND', told.message, { cause: told.cause });
  } finally {
    asking.destroy();
  }
}

function placeOf({ bucket, prefix = '', endpoint, region = 'us-east-1' }: S3Options): S3Place {
  if (!BUCKET.test(bucket)) throw new VhdError('USAGE', `not a name of a bucket: ${JSON.stringify(bucket)}`);
  if (prefix !== '' && PREFIX_LIMIT < requireKey(prefix).length)
    throw new VhdError('USAGE', `a prefix has at most ${PREFIX_LIMIT} characters`);
  const name = `s3://${bucket}${prefix === '' ? '' : `/${prefix}`}`;
  return { name, bucket, region, server: endpoint === undefined ? 'Amazon S3' : hostOf(endpoint) };
}

/** NO-SECRET-OUT: an endpoint that is none is not repeated; a password may be in it. */
function hostOf(endpoint: string): string {
  const url = URL.canParse(endpoint) ? new URL(endpoint) : undefined;
  if (url === undefined || !['http:', 'https:'].includes(url.protocol))
    throw new VhdError('USAGE', 'an endpoint is a URL such as https://s3.example.org:9000');
  if (url.username !== '' || url.password !== '')
    throw new VhdError('USAGE', 'an endpoint has no name and password in it: give them as access key and secret key');
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw new VhdError('USAGE', `the endpoint of ${url.host} has a path: give bucket and prefix apart from it`);
  return url.host;
}

/** Loads the SDK: a third of a second and some MiB, which only who has such a repository is to pay. */
async function connectorOf(options: S3Options): Promise<(attempts: number) => S3> {
  const { endpoint, credentials, region = 'us-east-1' } = options;
  const ca = options.caFile === undefined ? undefined : readAuthorities(options.caFile);
  // It warns of every Node below 22 on standard error, where only what concerns the user belongs; the floor is ours.
  process.env['AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED'] ??= 'true';
  const { S3: Client } = await import('@aws-sdk/client-s3');
  const agent = { keepAlive: true, maxSockets: CONNECTIONS };
  return (maxAttempts) => {
    const config: S3ClientConfig = {
      region,
      maxAttempts,
      retryMode: 'standard',
      forcePathStyle: options.isPathStyle ?? endpoint !== undefined,
      // The newer sums come as trailers or headers that many servers do not know. MD5 goes with every part, and what is
      // read is checked by the SHA-256 of its index.
      requestChecksumCalculation: 'WHEN_REQUIRED',
      responseChecksumValidation: 'WHEN_REQUIRED',
      requestHandler: {
        connectionTimeout: CONNECT_MS,
        socketTimeout: SILENCE_MS,
        httpAgent: agent,
        httpsAgent: ca === undefined ? agent : { ...agent, ca },
        logger: SILENT,
      },
      logger: SILENT,
    };
    if (endpoint !== undefined) config.endpoint = endpoint;
    if (credentials !== undefined) config.credentials = credentials;
    return new Client(config);
  };
}

/** The SDK's log lines hold requests; errors tell what is to be known. */
const SILENT = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

function readAuthorities(file: string): string {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (cause) {
    throw new VhdError('NOT_FOUND', `cannot read the authorities' file ${file}`, { cause });
  }
  if (!text.includes('-----BEGIN CERTIFICATE-----'))
    throw new VhdError('USAGE', `${file} holds no certificate in PEM form`);
  return text;
}

/** Whether the bucket has versions. Errors: those of a bucket that cannot be used. */
async function lookAt(s3: S3, { bucket }: S3Place, prefix: string): Promise<boolean> {
  await s3.listObjectsV2({ Bucket: bucket, Prefix: prefix, MaxKeys: 1 });
  const { Status } = (await orNothing(s3.getBucketVersioning({ Bucket: bucket }))) ?? {};
  return Status !== undefined;
}

async function hasLock(s3: S3, bucket: string): Promise<boolean> {
  const answer = await orNothing(s3.getObjectLockConfiguration({ Bucket: bucket }));
  return answer?.ObjectLockConfiguration?.ObjectLockEnabled === 'Enabled';
}

/** Servers that do not know a question, and keys that may not ask it, say so with a 4xx or 501: then there is no such thing. */
async function orNothing<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    const status = statusOf(error) ?? 0;
    if (nameOf(error) === 'NotImplemented' || (400 <= status && status < 500)) return undefined;
    throw error;
  }
}
