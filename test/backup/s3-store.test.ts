/** Objects in a bucket of a real S3 server: the contract, what networks do, what servers refuse, versions and object lock. */
import { EventEmitter, once } from 'node:events';
import { writeFileSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import path from 'node:path';
import { inspect } from 'node:util';
import 'reflect-metadata'; // Before the next one, which needs it.
import { VhdError } from '@oriel/vhd';
import { createRepository, type ObjectStore, openS3Store, type S3Options } from '@oriel/vhd/restore-points';
import * as x509 from '@peculiar/x509';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getWhole, whole } from '../../vhd/src/objects/object-store.ts';
import { firstPartBytes } from '../../vhd/src/objects/s3-upload.ts';
import { objectStoreContract } from '../../vhd/src/objects/testing/contract.ts';
import { onCleanup, tempFolder } from '../disk-service/setup.ts';
import { openGate, type Passing, refuse } from '../support/s3-gate.ts';
import { CREDENTIALS, S3Server } from '../support/s3-server.ts';

const MIB = 1 << 20;
const HOUR_MS = 3_600_000;

let server: S3Server;
let bucket: string;

beforeAll(async () => {
  server = await S3Server.start();
  bucket = await server.makeBucket();
});

afterAll(() => server.stop());

async function open(options: S3Options): Promise<ObjectStore> {
  const store = await openS3Store(options);
  onCleanup(() => store.close());
  return store;
}

const openPlace = (more: Partial<S3Options> = {}): Promise<ObjectStore> => open({ ...server.place(bucket), ...more });

/** What the server calls an object. */
const addressOf = (store: ObjectStore, key: string): { Bucket: string; Key: string } => {
  const [, Bucket = '', prefix = ''] = /^s3:\/\/([^/]+)\/(.*)$/.exec(store.name) ?? [];
  return { Bucket, Key: `${prefix}/${key}` };
};

async function beginUpload(store: ObjectStore, key: string): Promise<string> {
  const at = addressOf(store, key);
  const { UploadId = '' } = await server.client.createMultipartUpload(at);
  await server.client.uploadPart({ ...at, UploadId, PartNumber: 1, Body: Buffer.from('begun') });
  return UploadId;
}

objectStoreContract('a bucket', {
  open: openPlace,
  manyObjects: 25, // The server gives 20 a page.
  largeBytes: 8 * MIB + 12_345,
  unfinished: async (store) => {
    const { Bucket, Key } = addressOf(store, '');
    return (await server.client.listMultipartUploads({ Bucket, Prefix: Key })).Uploads?.length ?? 0;
  },
  begin: async (store, key) => void (await beginUpload(store, key)),
});

/** A store behind a gate. */
async function openBehind(handle: (passing: Passing) => void, more: Partial<S3Options> = {}): Promise<ObjectStore> {
  const gate = await openGate(server.port, handle);
  onCleanup(() => gate.close());
  return openPlace({ endpoint: `http://127.0.0.1:${gate.port}`, ...more });
}

/** Requests of a kind; the others pass. */
function on(
  method: string,
  pattern: RegExp,
  handle: (passing: Passing, count: number) => void,
): (passing: Passing) => void {
  let count = 0;
  return (passing) => {
    const { request } = passing;
    if (request.method === method && pattern.test(request.url ?? '')) handle(passing, ++count);
    else passing.pass();
  };
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

const text = (value: string) => whole(Buffer.from(value));

const textOf = async (store: ObjectStore, key: string): Promise<string> =>
  Buffer.from(await getWhole(store, key, 1000)).toString();

describe('what keeps a bucket from being opened is said with what to do, and without a secret', () => {
  const secrets = [CREDENTIALS.secretAccessKey, CREDENTIALS.accessKeyId, 'AWS4-HMAC', 'Signature='];
  const wrong = { accessKeyId: 'oriel:tester', secretAccessKey: 'another-secret-of-somebody' };

  async function refusalOf(more: Partial<S3Options>): Promise<{ code: string; message: string }> {
    const error: unknown = await openPlace({ attempts: 1, ...more }).catch((cause: unknown) => cause);
    if (!(error instanceof VhdError)) throw new Error('it was opened', { cause: error });
    const all = inspect(error, { depth: 12, showHidden: true });
    for (const secret of [...secrets, wrong.secretAccessKey]) expect(all).not.toContain(secret);
    return { code: error.code, message: error.message };
  }

  test.for([
    {
      it: 'another secret key',
      more: { credentials: wrong },
      code: 'DENIED',
      says: 'access key and secret key: check both',
    },
    {
      it: 'an unknown access key',
      more: { credentials: { ...wrong, accessKeyId: 'oriel:nobody' } },
      code: 'DENIED',
      says: 'check both',
    },
    { it: 'another region', more: { region: 'eu-west-1' }, code: 'USAGE', says: 'give its own (us-east-1)' },
    { it: 'no such bucket', more: { bucket: 'no-such' }, code: 'NOT_FOUND', says: 'has no bucket no-such: make it' },
    { it: 'nobody there', more: { endpoint: 'http://127.0.0.1:1' }, code: 'IO', says: '127.0.0.1:1 cannot be reached' },
    { it: 'no such host', more: { endpoint: 'http://s3.invalid' }, code: 'IO', says: 's3.invalid cannot be reached' },
    { it: 'an endpoint that is none', more: { endpoint: 'user:hidden@' }, code: 'USAGE', says: 'a URL such as' },
    {
      it: 'a password in the endpoint',
      more: { endpoint: 'https://u:another-secret-of-somebody@h' },
      code: 'USAGE',
      says: 'as access key and secret key',
    },
    { it: 'a path in the endpoint', more: { endpoint: 'http://h/bucket' }, code: 'USAGE', says: 'has a path' },
    { it: 'a bucket that is none', more: { bucket: '../etc' }, code: 'USAGE', says: 'not a name of a bucket' },
    { it: 'a prefix that is none', more: { prefix: 'a//b' }, code: 'USAGE', says: 'not a name' },
    { it: 'no such file of authorities', more: { caFile: '/nowhere.pem' }, code: 'NOT_FOUND', says: '/nowhere.pem' },
  ])('$it', async ({ more, code, says }) => {
    const refusal = await refusalOf(more);
    expect(refusal).toEqual({ code, message: expect.stringContaining(says) as string });
  });

  test.for([
    { status: 403, name: 'AccessDenied', code: 'DENIED', says: 'see the policy' },
    { status: 403, name: 'RequestTimeTooSkewed', code: 'IO', says: 'the clocks of this machine and of 127.0.0.1' },
    { status: 503, name: 'SlowDown', code: 'IO', says: 'try again later' },
    { status: 301, name: 'PermanentRedirect', code: 'USAGE', says: 'another region than us-east-1' },
    { status: 400, name: 'Nonsense', code: 'IO', says: 'answers Nonsense 400' },
  ])('the answer $name', async ({ status, name, code, says }) => {
    const text = `<StringToSign>${secrets.join(' ')}</StringToSign><AWSAccessKeyId>${secrets[1]}</AWSAccessKeyId>`;
    const gate = await openGate(server.port, ({ response }) => refuse(response, status, name, text));
    onCleanup(() => gate.close());
    const refusal = await refusalOf({ endpoint: `http://127.0.0.1:${gate.port}` });
    expect(refusal).toEqual({ code, message: expect.stringContaining(says) as string });
  });

  test('a bucket that is taken away later is not taken for an object that is not there', async () => {
    const Bucket = await server.makeBucket();
    const store = await open(server.place(Bucket));
    await server.client.deleteBucket({ Bucket });
    const list = async (): Promise<unknown> => store.list('')[Symbol.asyncIterator]().next();
    for (const action of [() => store.put('a', text('x')), () => store.get('a', 0, 1), list])
      await expect(action()).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringContaining('no bucket') as string,
      });
  });

  test('a certificate that nobody knows; with the file of its authority it opens', async () => {
    const { cert, key } = await certificate();
    const gate = await openGate(server.port, ({ pass }) => pass(), { cert, key });
    onCleanup(() => gate.close());
    const endpoint = `https://localhost:${gate.port}`;
    expect(await refusalOf({ endpoint })).toEqual({
      code: 'IO',
      message: expect.stringContaining('is not trusted') as string,
    });
    const noTls = await refusalOf({ endpoint: `https://127.0.0.1:${server.port}` });
    expect(noTls).toEqual({ code: 'IO', message: expect.stringContaining('speaks no TLS') as string });
    const caFile = path.join(tempFolder(), 'ca.pem');
    writeFileSync(caFile, cert);
    const store = await openPlace({ endpoint, caFile });
    await store.put('a', text('over TLS'));
    expect(await textOf(store, 'a')).toBe('over TLS');
  });
});

describe('over a bad network', () => {
  test('bytes that do not all arrive are asked for again, and never given out short', async () => {
    const halfway = ({ pass, response }: Passing): void =>
      pass((answer) => {
        response.writeHead(answer.statusCode ?? 500, answer.headers);
        answer.once('data', (bytes: Buffer) => response.write(bytes.subarray(0, 3), () => response.destroy()));
      });
    let cuts = 2;
    const store = await openBehind(on('GET', /\/a\b/, (passing) => (0 < cuts-- ? halfway(passing) : passing.pass())));
    await store.put('a', text('hello, world'));
    expect(Buffer.from(await store.get('a', 0, 12)).toString()).toBe('hello, world');
    cuts = Infinity;
    await expect(store.get('a', 0, 12)).rejects.toMatchObject({ code: 'IO' });
  });

  test("a put whose answers are lost has happened once, and is not taken for somebody else's", async () => {
    let lost = 0;
    const losing = (passing: Passing): void => {
      const { request, pass, response } = passing;
      const makes = request.method === 'PUT' ? /\/small\b/ : /\/large\?.*uploadId=/;
      if (!['PUT', 'POST'].includes(request.method ?? '') || !makes.test(request.url ?? '') || 2 <= lost) return pass();
      if (request.headers['if-none-match'] !== undefined) return pass(); // This server says that it does not know it.
      lost++;
      pass(() => response.destroy());
    };
    const store = await openBehind(losing);
    await store.put('small', text('once'), { isNew: true });
    expect(lost).toBe(2);
    lost = 1;
    const bytes = Buffer.alloc(8 * MIB + 5, 3);
    await store.put('large', whole(bytes), { isNew: true });
    expect(lost).toBe(2);
    expect(Buffer.from(await getWhole(store, 'large', bytes.byteLength)).equals(bytes)).toBe(true);
  });

  test("an upload that was begun long ago is somebody's work as long as parts come", async () => {
    const uploads = on('GET', /[?&]uploads/, ({ pass, response }) =>
      pass((answer) => {
        const old = '<Initiated>2020-01-01T00:00:00.000Z';
        void bodyOf(answer).then((said) => response.end(said.toString().replaceAll(/<Initiated>[^<]*/g, old)));
      }),
    );
    const store = await openBehind(uploads);
    await beginUpload(store, 'long');
    expect(await store.sweep(new Date(Date.now() - HOUR_MS))).toBe(0);
    expect(await store.sweep(new Date(Date.now() + HOUR_MS))).toBe(5);
  });

  test('a put goes on when the server is killed and comes back', async () => {
    const store = await openPlace({ attempts: 20 });
    const bytes = Buffer.alloc(18 * MIB + 5, 9);
    async function* source() {
      yield { offset: 0, bytes: bytes.subarray(0, 17 * MIB) };
      await server.killAndStart();
      yield { offset: 17 * MIB, bytes: bytes.subarray(17 * MIB) };
    }
    await store.put('through', source());
    expect(Buffer.from(await getWhole(store, 'through', bytes.byteLength)).equals(bytes)).toBe(true);
  });

  test('a put keeps a few parts in memory and several on their way, however long it is', async () => {
    let sentBytes = 0;
    let arrived = 0;
    const waiting: (() => void)[] = [];
    const store = await openBehind(({ request, response, pass }) => {
      const url = request.url ?? '';
      if (!url.includes('/endless')) return pass();
      void bodyOf(request).then(() => {
        if (request.method === 'HEAD') response.writeHead(404).end();
        else if (url.includes('uploads')) response.end('<R><UploadId>u</UploadId></R>');
        else if (request.method !== 'PUT') response.end('<R><ETag>"e"</ETag></R>');
        else {
          arrived++;
          waiting.push(() => response.writeHead(200, { etag: '"e"' }).end());
        }
      });
    });
    const total = 90 * MIB;
    async function* bytes() {
      for (; sentBytes < total; sentBytes += MIB) yield { offset: sentBytes, bytes: Buffer.alloc(MIB) };
    }
    const put = store.put('endless', bytes(), { atMostBytes: total });
    await expect.poll(() => arrived, { timeout: 20_000 }).toBe(4);
    const ahead = sentBytes;
    expect(ahead).toBeLessThanOrEqual(6 * 8 * MIB);
    const timer = setInterval(() => waiting.splice(0).forEach((answer) => answer()), 5);
    await put;
    clearInterval(timer);
    expect(arrived).toBe(12);
  });
});

describe('who is first', () => {
  /** A server that knows `If-None-Match`; this one says that it does not. */
  const deciding = (decide: (passing: Passing, count: number) => void) => {
    let count = 0;
    return (passing: Passing): void => {
      if (passing.request.headers['if-none-match'] === '*') decide(passing, ++count);
      else passing.pass();
    };
  };

  test('is decided by the server where it can', async () => {
    const store: ObjectStore = await openBehind(
      deciding(({ response }) => {
        void server.client
          .putObject({ ...addressOf(store, 'k'), Body: 'theirs' })
          .then(() => refuse(response, 412, 'PreconditionFailed'));
      }),
    );
    await expect(store.put('k', text('ours'), { isNew: true })).rejects.toMatchObject({ code: 'EXISTS' });
    expect(await textOf(store, 'k')).toBe('theirs');
  });

  test('is whose object it is, where the answer to the first request was lost', async () => {
    const store: ObjectStore = await openBehind(
      deciding(({ request, response }, count) => {
        if (count === 2) return refuse(response, 412, 'PreconditionFailed');
        const Metadata = { 'oriel-put': String(request.headers['x-amz-meta-oriel-put']) };
        void bodyOf(request)
          .then((Body) => server.client.putObject({ ...addressOf(store, 'k'), Body, Metadata }))
          .then(() => response.destroy());
      }),
    );
    await store.put('k', text('ours'), { isNew: true });
    expect(await textOf(store, 'k')).toBe('ours');
  });

  test('of two that make a repository at once, one does, also where the server does not decide', async () => {
    const config = /oriel-repository\.json/;
    const [isHeld, isMade] = [new EventEmitter(), new EventEmitter()];
    const [held, made] = [once(isHeld, 'yes'), once(isMade, 'yes')];
    const late = await openBehind(
      on('PUT', config, ({ request, pass }) => {
        if (request.headers['if-none-match'] !== undefined) return pass();
        isHeld.emit('yes');
        void made.then(() => pass());
      }),
    );
    // The first has looked whose object it is before the one of the other arrives.
    const first = await openBehind(
      on('HEAD', config, ({ pass }, count) =>
        pass((_answer, send) => {
          send();
          if (count === 2) isMade.emit('yes');
        }),
      ),
      { prefix: late.name.split('/').slice(3).join('/') },
    );
    const making = createRepository(late);
    await held;
    await expect(createRepository(first)).rejects.toMatchObject({ code: 'EXISTS' });
    await making;
  });
});

test.for([
  { sizeBytes: 0, partBytes: 8 * MIB, mostParts: 1 },
  { sizeBytes: 7 * 1024 * MIB, partBytes: 8 * MIB, mostParts: 900 },
  { sizeBytes: 14 * 1024 * MIB, partBytes: 16 * MIB, mostParts: 900 },
  { sizeBytes: 140 * 1024 * MIB, partBytes: 16 * MIB, mostParts: 9_000 },
  { sizeBytes: 2040 * 1024 * MIB, partBytes: 233 * MIB, mostParts: 9_000 },
])('an object of $sizeBytes bytes goes in parts of $partBytes', ({ sizeBytes, partBytes, mostParts }) => {
  expect(firstPartBytes(sizeBytes)).toBe(partBytes);
  expect(Math.ceil(sizeBytes / partBytes)).toBeLessThanOrEqual(mostParts);
});

describe('in a bucket with versions', () => {
  let versioned: string;

  beforeAll(async () => {
    versioned = await server.makeBucket();
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await server.client.putBucketVersioning({ Bucket: versioned, VersioningConfiguration });
  });

  /** What of an object is still there. */
  async function versionsOf(store: ObjectStore, key: string): Promise<number> {
    const { Bucket, Key } = addressOf(store, key);
    const { Versions = [], DeleteMarkers = [] } = await server.client.listObjectVersions({ Bucket, Prefix: Key });
    return Versions.length + DeleteMarkers.length;
  }

  test('what is removed is gone with all that it replaced', async () => {
    const store = await open(server.place(versioned));
    for (const value of ['one', 'two', 'three']) await store.put('k', text(value));
    expect(await versionsOf(store, 'k')).toBe(3);
    await store.remove('k');
    expect(await store.stat('k')).toBeUndefined();
    expect(await versionsOf(store, 'k')).toBe(0);
    await store.remove('k');
  });

  test('an object whose name begins alike stays, and no older version comes back as the object', async () => {
    const removed: string[] = [];
    const gate = await openGate(server.port, ({ request, response, pass }) => {
      const url = new URL(request.url ?? '', 'http://s3');
      const id = url.searchParams.get('versionId');
      if (request.method === 'DELETE') {
        removed.push(`${path.basename(url.pathname)} ${id}`);
        response.writeHead(204).end();
      } else if (url.searchParams.has('versions')) {
        const at = url.searchParams.get('prefix');
        const version = (key: string, name: string, isLatest: boolean): string => {
          const modified = `2026-01-0${name === 'oldest' ? 1 : 2}T00:00:00Z`;
          const facts = `<IsLatest>${isLatest}</IsLatest><LastModified>${modified}</LastModified>`;
          return `<Version><Key>${key}</Key><VersionId>${name}</VersionId>${facts}</Version>`;
        };
        const versions = [
          version(`${at}`, 'new', true),
          version(`${at}`, 'oldest', false),
          version(`${at}`, 'old', false),
          version(`${at}k`, 'other', true),
        ];
        response.end(`<ListVersionsResult>${versions.join('')}</ListVersionsResult>`);
      } else pass();
    });
    onCleanup(() => gate.close());
    const store = await open({ ...server.place(versioned), endpoint: `http://127.0.0.1:${gate.port}` });
    await store.remove('k');
    expect(removed).toEqual(['k oldest', 'k old', 'k new']);
  });

  /** Object lock as S3 describes it, over a server that has versions and no lock. */
  function lockOf(): (passing: Passing) => void {
    const kept = new Map<string, string>();
    return ({ request, response, pass }) => {
      const url = new URL(request.url ?? '', 'http://s3');
      const id = url.searchParams.get('versionId');
      const until = kept.get(`${url.pathname} ${id}`);
      const asked = request.headers['x-amz-object-lock-retain-until-date'];
      if (url.searchParams.has('object-lock')) {
        const enabled = '<ObjectLockEnabled>Enabled</ObjectLockEnabled>';
        response.end(`<ObjectLockConfiguration>${enabled}</ObjectLockConfiguration>`);
      } else if (request.method === 'DELETE' && until !== undefined && new Date() < new Date(until))
        refuse(response, 403, 'AccessDenied');
      else
        pass((answer, send) => {
          const made = String(answer.headers['x-amz-version-id']);
          const isCompliant = request.headers['x-amz-object-lock-mode'] === 'COMPLIANCE';
          if (request.method === 'PUT' && isCompliant) kept.set(`${url.pathname} ${made}`, String(asked));
          if (until !== undefined) answer.headers['x-amz-object-lock-retain-until-date'] = until;
          send();
        });
    };
  }

  test('and object lock, what has to be kept is kept until its time, whoever asks', async () => {
    const gate = await openGate(server.port, lockOf());
    onCleanup(() => gate.close());
    const store = await open({ ...server.place(versioned), endpoint: `http://127.0.0.1:${gate.port}` });
    expect(store.isKeeping).toBe(true);
    const keptUntil = new Date(Date.now() + 2 * HOUR_MS);
    await store.put('kept', text('for two hours'), { keptUntil });
    await store.put('free', text('x'));
    await expect(store.remove('kept')).rejects.toMatchObject({
      code: 'SEALED',
      message: expect.stringContaining('has to be kept until 20') as string,
    });
    expect(await textOf(store, 'kept')).toBe('for two hours');
    await store.remove('free');
    expect(await versionsOf(store, 'free')).toBe(0);
    await store.put('kept', text('replaced')); // The newer one may go; the kept one stays, hidden.
    await store.remove('kept');
    expect(await store.stat('kept')).toBeUndefined();
    expect(await versionsOf(store, 'kept')).toBe(2);
  });

  test('a repository that is to be locked is made only where the bucket can', async () => {
    await expect(createRepository(await openPlace(), { isLocked: true })).rejects.toMatchObject({
      code: 'UNSUPPORTED',
      message: expect.stringContaining('object lock') as string,
    });
    const gate = await openGate(server.port, lockOf());
    onCleanup(() => gate.close());
    const store = await open({ ...server.place(versioned), endpoint: `http://127.0.0.1:${gate.port}` });
    await createRepository(store, { isLocked: true });
  });
});

async function certificate(): Promise<{ cert: string; key: string }> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const cert = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=localhost',
    notAfter: new Date(Date.now() + HOUR_MS),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }]),
    ],
  });
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64');
  return { cert: cert.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` };
}
