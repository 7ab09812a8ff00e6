/**
 * What is wrong with an S3 server, or on the way to it, as errors that say what to do. NO-SECRET-OUT: the errors of the SDK
 * carry headers, keys and signatures, and servers repeat them in their texts; nothing but names and numbers goes on.
 */
import { isVhdError, VhdError, type VhdErrorCode } from '../errors.ts';

/** What messages name. */
export interface S3Place {
  /** `s3://bucket/prefix`. */
  readonly name: string;
  readonly bucket: string;
  /** Host and port, or `Amazon S3`. */
  readonly server: string;
  readonly region: string;
}

/** What is looked at of an error of the SDK. */
interface Trouble {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly Region?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly requestId?: string };
}

type Answer = readonly [VhdErrorCode, (place: S3Place) => string];

const DENIED: Answer = ['DENIED', () => 'its access key may not do this: see the policy of the bucket and of the key'];
const KEYS: Answer = ['DENIED', ({ server }) => `${server} does not accept access key and secret key: check both`];
const TOKEN: Answer = ['DENIED', () => 'the session token is no longer accepted: get a new one'];
const REGION: Answer = ['USAGE', ({ region }) => `the bucket is in another region than ${region}: give its own`];
const FULL: Answer = ['NO_SPACE', ({ server }) => `${server} has no space left, or the quota is used up`];
const BUSY: Answer = ['IO', ({ server }) => `${server} cannot serve the request now: try again later`];
const GONE: Answer = [
  'IO',
  ({ server }) => `${server} cannot be reached: check the endpoint, the network and the server`,
];

/** By the name that the server or the SDK gives. */
const ANSWERS: Readonly<Record<string, Answer>> = {
  AccessDenied: DENIED,
  AllAccessDisabled: DENIED,
  InvalidAccessKeyId: KEYS,
  SignatureDoesNotMatch: KEYS,
  CredentialsProviderError: [
    'DENIED',
    () => 'this machine has no credentials of its own: give access key and secret key',
  ],
  ExpiredToken: TOKEN,
  InvalidToken: TOKEN,
  // Not NOT_FOUND: who reads takes that for an object that is not there, and goes on.
  NoSuchBucket: ['IO', ({ server, bucket }) => `${server} has no bucket ${bucket}: make it, or check its name`],
  InvalidBucketName: ['USAGE', ({ server, bucket }) => `${server} does not take ${bucket} as the name of a bucket`],
  PermanentRedirect: REGION,
  AuthorizationHeaderMalformed: REGION,
  IllegalLocationConstraintException: REGION,
  RequestTimeTooSkewed: [
    'IO',
    ({ server }) => `the clocks of this machine and of ${server} differ: set them, as by NTP`,
  ],
  QuotaExceeded: FULL,
  XMinioStorageFull: FULL,
  InsufficientStorage: FULL,
  EntityTooLarge: ['TOO_LARGE', ({ server }) => `${server} takes no object, or no part of one, of that size`],
  NotImplemented: ['UNSUPPORTED', ({ server }) => `${server} does not know this request`],
  InvalidObjectState: ['IO', () => 'the object is archived: take it back from the archive first'],
  SlowDown: BUSY,
  ServiceUnavailable: BUSY,
  InternalError: BUSY,
  TimeoutError: ['IO', ({ server }) => `${server} has not answered for too long: check the network and the server`],
};

/** By the status, where there is no name: HEAD answers have no body to say it in. */
const STATUSES: Readonly<Record<number, Answer>> = { 301: REGION, 401: KEYS, 403: DENIED, 507: FULL };

const CERTIFICATE = /^(CERT_|ERR_TLS_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_(VERIFY|GET))/;
const UNREACHABLE = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
]);

/** `doing` completes "cannot …". An error of ours stays what it is. */
export function s3Error(doing: string, error: unknown, place: S3Place): VhdError {
  if (isVhdError(error)) return error;
  if (nameOf(error) === 'AbortError') return new VhdError('CANCELLED', 'stopped by the caller');
  const { code, Region, $metadata } = troubleOf(error);
  const name = nameOf(error);
  const status = statusOf(error);
  const [vhdCode, say] = byCode(code) ?? ANSWERS[name] ?? STATUSES[status ?? 0] ?? byStatus(status, name);
  const region = vhdCode === 'USAGE' && typeof Region === 'string' && /^[a-z0-9-]{1,40}$/.test(Region) ? Region : '';
  const hint = region === '' ? '' : ` (${region})`;
  const facts = [name, typeof code === 'string' ? code : '', status === undefined ? '' : `HTTP ${status}`];
  const cause = new Error([...facts, requestOf($metadata?.requestId)].filter((fact) => fact !== '').join(', '));
  return new VhdError(vhdCode, `cannot ${doing} in ${place.name}: ${say(place)}${hint}`, { cause });
}

/** There is no such object, or, of a HEAD, no such bucket. */
export const isMissing = (error: unknown): boolean =>
  nameOf(error) === 'NoSuchKey' || (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket');

/** The name of an error: of S3 where a server gave it. */
export function nameOf(error: unknown): string {
  const { name } = troubleOf(error);
  return typeof name === 'string' && /^[A-Za-z0-9]{1,60}$/.test(name) ? name : '';
}

/** The HTTP status, where a server answered. */
export const statusOf = (error: unknown): number | undefined => troubleOf(error).$metadata?.httpStatusCode;

const troubleOf = (error: unknown): Trouble => (typeof error === 'object' && error !== null ? error : {});

const requestOf = (id: string | undefined): string =>
  id !== undefined && /^[A-Za-z0-9+/=_-]{1,80}$/.test(id) ? `request ${id}` : '';

function byCode(code: unknown): Answer | undefined {
  if (typeof code !== 'string') return undefined;
  if (UNREACHABLE.has(code)) return GONE;
  if (CERTIFICATE.test(code))
    return [
      'IO',
      ({ server }) => `the certificate of ${server} is not trusted (${code}): give the file of its authority`,
    ];
  if (code === 'EPROTO') return ['IO', ({ server }) => `${server} speaks no TLS: is its endpoint one of http://?`];
  return undefined;
}

function byStatus(status: number | undefined, name: string): Answer {
  if (status !== undefined && 500 <= status) return BUSY;
  return ['IO', ({ server }) => `${server} answers ${[name, status ?? ''].join(' ').trim() || 'with an error'}`];
}
