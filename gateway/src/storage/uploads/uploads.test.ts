/** Uploads and what is done with images, through the whole edge, a real disk service and qemu-img. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type IncomingHttpHeaders, request } from 'node:http';
import path from 'node:path';
import { connectDiskService, createChild, type RunningDiskService, runDiskService } from '@oriel/vhd';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createDisk, createSnapshot, type Disk, getDisk, listDisks, listSnapshots } from '../../../api/disk.ts';
import {
  CheckResult,
  checkDisk,
  compactDisk,
  copyDisk,
  deleteDisc,
  deleteExport,
  describeDisk,
  diskFamily,
  downloadExport,
  ExportedFile,
  exportDisk,
  listDiscs,
  listExports,
  listImportFiles,
  mergeSnapshot,
  rebaseDisk,
  resizeImage,
} from '../../../api/image.ts';
import type { Task } from '../../../api/task.ts';
import { listUploads, UPLOAD_LIMITS } from '../../../api/upload.ts';
import { type PartSender, sendUpload, type UploadAsked } from '../../../api/upload-client.ts';
import { startTestGateway, type TestGateway, type TestPerson } from '../../edge/testing/gateway.ts';
import { TaskStore } from '../../platform/tasks/task-store.ts';
import { Tasks } from '../../platform/tasks/tasks.ts';
import { Discs } from '../library/discs.ts';
import { Exports } from '../library/exports.ts';
import { imageWork } from '../library/image-work.ts';
import { Library } from '../library/library.ts';
import { diskRoutes, folderRoutes, imageRoutes } from '../library/routes.ts';
import { diskWork } from '../library/work.ts';
import { Storages } from '../storages/storages.ts';
import { uploadRoutes } from './routes.ts';
import { Uploads } from './uploads.ts';

const MIB = 1 << 20;
/** Short, because sockets lie in it. */
const folder = mkdtempSync('/tmp/oriel-u-');
const socketPath = path.join(folder, 'disks.sock');
const incoming = path.join(folder, 'storage', 'incoming');
const inDrives = new Set<string>();
let clock = 0;
let service: RunningDiskService;
let gateway: TestGateway;
let storages: Storages;
let tasks: Tasks;
let uploads: Uploads;
let ann: TestPerson;
let bob: TestPerson;

beforeAll(async () => {
  for (const name of ['import', 'discs']) mkdirSync(path.join(folder, name));
  service = await runDiskService({
    storage: path.join(folder, 'storage'),
    socketPath,
    runFolder: path.join(folder, 'run'),
    threads: 0,
  });
  gateway = await startTestGateway({
    features: ({ store, events: hub, log, audit }) => {
      const now = (): number => Date.now() + clock;
      storages = new Storages({ db: store.db, hub, log, now, open: async () => connectDiskService(socketPath) });
      const library = new Library({ storages, hub, holderOf: async () => undefined, holders: async () => new Map() });
      const taskStore = new TaskStore(store.db);
      tasks = new Tasks({ store: taskStore, hub, log, now });
      const discs = new Discs({
        folder: path.join(folder, 'discs'),
        holdersOf: async (name) => (inDrives.has(name) ? ['desk'] : []),
      });
      uploads = new Uploads({ storages, library, discs, tasks, taskStore, audit, log, now });
      const importFolder = path.join(folder, 'import');
      const onGrown = async (): Promise<void> => undefined;
      const routes = [
        ...diskRoutes(library, diskWork({ storages, library, tasks, importFolder, onGrown })),
        ...imageRoutes(library, imageWork({ storages, library, tasks }), new Exports(storages)),
        ...folderRoutes(importFolder, discs),
        ...uploadRoutes(uploads),
      ];
      return { routes };
    },
  });
  await storages.open();
  await storages.tried();
  ann = await gateway.person('ann', 'admin');
  bob = await gateway.person('bob', 'admin');
});
afterAll(async () => {
  await tasks?.close();
  await storages?.close();
  await gateway?.close();
  await service?.close();
  rmSync(folder, { recursive: true, force: true });
});

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}
interface Sent {
  readonly body?: Buffer;
  readonly headers?: Record<string, string>;
  readonly as?: { readonly headers: Record<string, string> };
  /** Breaks the connection after so many bytes of the body. */
  readonly cutAt?: number;
}

/** One request of a tus client. */
function ask(method: string, url: string, sent: Sent = {}): Promise<Answer> {
  const { body, cutAt, as = ann } = sent;
  const headers = {
    ...as.headers,
    'tus-resumable': '1.0.0',
    ...(body === undefined ? {} : { 'content-length': String(body.byteLength) }),
    ...sent.headers,
  };
  return new Promise((resolve, reject) => {
    const asked = request(url.startsWith('/') ? gateway.origin + url : url, { method, headers, agent: false });
    asked.on('error', reject);
    asked.on('response', (answer) => {
      const chunks: Buffer[] = [];
      answer.on('data', (chunk: Buffer) => chunks.push(chunk));
      answer.on('end', () =>
        resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body: Buffer.concat(chunks) }),
      );
    });
    if (cutAt === undefined) asked.end(body);
    else asked.write(body?.subarray(0, cutAt) ?? '', () => setTimeout(() => asked.destroy(new Error('cut')), 50));
  });
}

const NEW = '/api/v1/storages/main/uploads';
const metadata = (values: Readonly<Record<string, string>>): string =>
  Object.entries(values)
    .map(([key, value]) => `${key} ${Buffer.from(value).toString('base64')}`)
    .join(',');
const begin = (bytes: number, values: Readonly<Record<string, string>>, as?: Sent['as']): Promise<Answer> =>
  ask('POST', NEW, {
    headers: { 'upload-length': String(bytes), 'upload-metadata': metadata(values) },
    ...(as === undefined ? {} : { as }),
  });
const part = (url: string, body: Buffer, offset: number, more: Sent = {}): Promise<Answer> =>
  ask('PATCH', url, {
    body,
    ...more,
    headers: { 'content-type': 'application/offset+octet-stream', 'upload-offset': String(offset), ...more.headers },
  });

/** Sends all of it, and gives the task that takes it in, ended. */
async function upload(content: Buffer, values: Readonly<Record<string, string>>): Promise<Task> {
  const { headers, status, body } = await begin(content.byteLength, values);
  expect(status, body.toString()).toBe(201);
  const answer = await part(headers.location ?? '', content, 0);
  expect(answer.status, answer.body.toString()).toBe(204);
  return await tasks.settled(String(answer.headers['oriel-task']));
}

/** A disk with content and zeros, as a VHD that qemu-img made. */
function diskAs(format: string, ...options: string[]): { readonly raw: Buffer; readonly file: Buffer } {
  const raw = Buffer.alloc(4 * MIB);
  raw.fill(Buffer.of(0, 0x5a), 0, MIB);
  raw.fill(7, 3 * MIB, 3 * MIB + 4096);
  const [from, to] = [path.join(folder, 'made.raw'), path.join(folder, `made.${format}`)];
  writeFileSync(from, raw);
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', format, ...options, from, to]);
  return { raw, file: readFileSync(to) };
}
const vhd = () => diskAs('vpc', '-o', 'force_size');
const named = async (name: string): Promise<Disk> => {
  const found = (await ann.client.call(listDisks, { query: { limit: 500 } })).items.find((disk) => disk.name === name);
  if (found === undefined) throw new Error(`no ${name}`);
  return found;
};
const ended = async (task: Promise<Task>): Promise<Task> => await tasks.settled((await task).id);
const nothingIsLeft = (): void => {
  expect(readdirSync(path.join(incoming, 'whole'))).toEqual([]);
  expect(readdirSync(path.join(incoming, 'parts')).filter((name) => !name.endsWith('.json'))).toEqual([]);
};

test('an upload that is cut off goes on where it was, and becomes what was sent', async () => {
  const { raw, file } = vhd();
  const { headers } = await begin(file.byteLength, { filename: 'web.vhd', name: 'web', becomes: 'template' });
  const url = headers.location ?? '';
  expect(url).toMatch(/^\/api\/v1\/storages\/main\/uploads\/[0-9a-f]{32}$/);
  await expect(part(url, file, 0, { cutAt: MIB })).rejects.toThrow('cut');
  const head = await ask('HEAD', url);
  const offset = Number(head.headers['upload-offset']);
  expect(offset).toBeGreaterThan(0);
  expect(offset).toBeLessThan(file.byteLength);
  expect((await part(url, file.subarray(0, 512), 0)).status).toBe(409); // Not where it is.
  const { items } = await ann.client.call(listUploads, { params: { storageId: 'main' } });
  expect(items).toMatchObject([
    { fileName: 'web.vhd', sizeBytes: file.byteLength, receivedBytes: offset, taskId: null },
  ]);
  const last = await part(url, file.subarray(offset), offset);
  const task = await tasks.settled(String(last.headers['oriel-task']));
  expect(task).toMatchObject({ state: 'done', title: 'take in web.vhd', startedBy: ann.userId });
  expect(await named('web')).toMatchObject({ kind: 'template', id: task.result?.['diskId'] });
  // Who was told nothing of the end hears of it when it asks.
  expect((await ask('HEAD', url)).headers).toMatchObject({
    'oriel-task': task.id,
    'upload-offset': String(file.byteLength),
  });
  nothingIsLeft();
  const made = await ended(
    ann.client.call(exportDisk, { params: { diskId: (await named('web')).id }, body: { format: 'raw' } }),
  );
  const { id } = ExportedFile.parse(made.result);
  const { body } = await ask('GET', ann.client.url(downloadExport, { params: { exportId: id } }));
  expect(body.subarray(0, raw.byteLength).equals(raw)).toBe(true);
});

test('our own client goes on after a break, in smaller parts where a proxy wants them, and takes a refusal as one', async () => {
  const content = Buffer.alloc(6 * MIB, 7);
  const sent: string[] = [];
  const sender = (
    breaks: (method: string, bytes: number) => 'break' | 'too large' | undefined,
  ): PartSender<Buffer> => ({
    send: async (method, url, headers, body) => {
      const trouble = breaks(method, body?.byteLength ?? 0);
      sent.push(`${method} ${headers['upload-offset'] ?? ''} ${body?.byteLength ?? ''}`.trim());
      if (trouble === 'break') throw new Error('cut');
      if (trouble === 'too large') return { status: 413, header: () => null, text: '<html>413</html>' };
      const answer = await ask(method, url, { headers: { ...headers }, ...(body === undefined ? {} : { body }) });
      const header = (name: string): string | null => String(answer.headers[name.toLowerCase()] ?? '') || null;
      return { status: answer.status, header, text: answer.body.toString() };
    },
    pause: async () => undefined,
    base64: (text) => Buffer.from(text).toString('base64'),
  });
  const { client } = ann;
  const asked = {
    client,
    storageId: 'main',
    metadata: { filename: 'seven.raw', becomes: 'auto' },
    source: { sizeBytes: content.byteLength, modifiedMs: 7.5, slice: (from, to) => content.subarray(from, to) },
  } as const satisfies Partial<UploadAsked<Buffer>>;
  const failing = sender((_, bytes) => (MIB < bytes ? 'too large' : sent.length < 8 ? undefined : 'break'));
  await expect(sendUpload({ ...asked, sender: failing })).rejects.toThrow('cut');
  expect(sent.slice(0, 5)).toEqual(['POST', 'HEAD', `PATCH 0 ${4 * MIB}`, `PATCH 0 ${MIB}`, `PATCH ${MIB} ${MIB}`]);
  sent.length = 0;
  const taskId = await sendUpload({ ...asked, sender: sender(() => (sent.length === 1 ? 'break' : undefined)) });
  const last = `PATCH ${5 * MIB} ${MIB}`;
  expect(sent).toEqual(['HEAD', last, 'HEAD', last]); // The same upload, in another call.
  expect(await tasks.settled(taskId ?? '')).toMatchObject({ state: 'done' });
  const disc = { ...asked, sender: sender(() => undefined), metadata: { filename: 'ä.iso', becomes: 'disc' } } as const;
  await expect(sendUpload(disc)).rejects.toThrow('is no name for a disc');
});

test('it is whose began it: others learn nothing of it, and no page of another site begins one', async () => {
  const { headers } = await begin(4096, { filename: 'mine.raw' });
  const url = headers.location ?? '';
  for (const method of ['HEAD', 'GET', 'PATCH', 'DELETE'])
    expect((await ask(method, url, { as: bob })).status).toBe(404);
  const eve = await gateway.person('eve', 'operator');
  expect((await ask('HEAD', url, { as: eve })).status).toBe(403);
  const foreign = { headers: { ...ann.headers, origin: 'https://elsewhere.example' } };
  expect((await begin(4096, { filename: 'x.raw' }, foreign)).status).toBe(403);
  expect((await part(url, Buffer.alloc(4096), 0, { as: foreign })).status).toBe(403);
  const { cookie } = ann.headers;
  expect((await begin(4096, { filename: 'x.raw' }, { headers: { cookie } })).status).toBe(401);
  expect((await ask('DELETE', url)).status).toBe(204);
  expect((await ask('HEAD', url)).status).toBe(404);
  nothingIsLeft();
});

test.for<[string, number, Readonly<Record<string, string>>, number, RegExp]>([
  ['nothing', 0, { filename: 'a.raw' }, 400, /at least one/],
  ['more than a disk can have', UPLOAD_LIMITS.maxBytes + 1, { filename: 'a.raw' }, 413, /has at most 2/],
  ['more than there is room for', UPLOAD_LIMITS.maxBytes, { filename: 'a.raw' }, 507, /free.*this upload needs 4/],
  ['a path for a name', 512, { filename: '../../etc/passwd' }, 400, /a file name without a path/],
  ['no name', 512, {}, 400, /filename/],
  ['a disc with a name that is none', 512, { filename: 'ümlaut.iso' }, 422, /is no name for a disc/],
])('an upload of %s is refused before a byte is sent', async ([, bytes, values, status, said]) => {
  const answer = await begin(bytes, values);
  expect(answer.status).toBe(status);
  expect((JSON.parse(answer.body.toString()) as { detail: string }).detail).toMatch(said);
  const { items } = await ann.client.call(listUploads, { params: { storageId: 'main' } });
  expect(items.filter(({ taskId }) => taskId === null)).toEqual([]);
});

test('BOUNDED: so many unfinished ones a person; what nobody ends goes in time', async () => {
  const begun = [];
  for (let i = 0; i < UPLOAD_LIMITS.perPerson; i++) begun.push(await begin(512, { filename: `${i}.raw` }));
  const refused = await begin(512, { filename: 'more.raw' });
  expect(refused.status).toBe(429);
  expect(refused.body.toString()).toContain('finish or cancel one of them first');
  expect((await begin(512, { filename: 'bob.raw' }, bob)).status).toBe(201);
  clock = UPLOAD_LIMITS.keptHours * 3_600_000 + 1000;
  await uploads.sweep();
  clock = 0;
  expect(readdirSync(path.join(incoming, 'parts'))).toEqual([]);
  expect((await ask('HEAD', begun[0]?.headers.location ?? '')).status).toBe(404);
});

test('one that was whole when the gateway was killed is taken in by the next', async () => {
  const { file } = vhd();
  const { headers } = await begin(file.byteLength, { filename: 'late.vhd' });
  const id = path.basename(headers.location ?? '');
  writeFileSync(path.join(incoming, 'parts', id), file);
  await uploads.sweep();
  await uploads.sweep(); // Once.
  const [late] = (await ann.client.call(listUploads, { params: { storageId: 'main' } })).items;
  expect(await tasks.settled(late?.taskId ?? '')).toMatchObject({ state: 'done' });
  await named('late');
  nothingIsLeft();
});

test('what is no disk is refused by its content, and so is what stands on something else; nothing of it stays', async () => {
  expect(await upload(Buffer.from('<html>'.repeat(1000)), { filename: 'page.vhd' })).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining('page.vhd') as string },
  });
  const parent = path.join(folder, 'storage', 'images', `${(await named('web')).id}.vhd`);
  const child = path.join(folder, 'child.vhd');
  await createChild(child, { parent });
  const failed = await upload(readFileSync(child), { filename: 'child.vhd' });
  expect(failed).toMatchObject({ state: 'failed' });
  expect(failed.error?.message).toMatch(/is a child of another image.*merge the chain into one file first/);
  nothingIsLeft();
});

test('a disc goes to the discs, whatever it is called, and stays while a drive holds it', async () => {
  const iso = Buffer.alloc(64 << 10);
  iso.write('\u0001CD001', 0x8000, 'latin1');
  expect((await upload(iso, { filename: 'rescue.img' })).result).toEqual({ disc: 'rescue.img' });
  const { items, folder: where } = await ann.client.call(listDiscs, {});
  expect(where).toBe(path.join(folder, 'discs'));
  expect(items).toMatchObject([{ name: 'rescue.img', sizeBytes: iso.byteLength }]);
  expect(await upload(vhd().file, { filename: 'no.iso', becomes: 'disc' })).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining('is no disc') as string },
  });
  const params = { discName: 'rescue.img' };
  inDrives.add('rescue.img');
  await expect(ann.client.call(deleteDisc, { params })).rejects.toThrow('in the drive of desk');
  inDrives.clear();
  await ann.client.call(deleteDisc, { params });
  expect((await ann.client.call(listDiscs, {})).items).toEqual([]);
  nothingIsLeft();
});

test('an image is looked at, with what it means and what to do, made smaller, larger, named and copied', async () => {
  const { id } = await named('late');
  const params = { diskId: id };
  const file = path.join(folder, 'storage', 'images', `${id}.vhd`);
  const bytes = readFileSync(file);
  bytes.fill(0, 0, 512);
  writeFileSync(file, bytes);
  const checked = CheckResult.parse((await ended(ann.client.call(checkDisk, { params, body: {} }))).result);
  expect(checked.findings).toMatchObject([
    {
      code: 'FOOTER_HEAD',
      file: `${id}.vhd`,
      isRepairable: true,
      whatToDo: expect.stringContaining('repair') as string,
    },
  ]);
  expect(JSON.stringify(checked)).not.toContain(folder);
  expect((await ended(ann.client.call(compactDisk, { params, body: {} }))).result).toHaveProperty('storedBytesAfter');
  const smaller = { sizeBytes: 2 * MIB, shrink: false };
  await expect(ann.client.call(resizeImage, { params, body: smaller })).rejects.toThrow('say so');
  expect(await ended(ann.client.call(resizeImage, { params, body: { ...smaller, shrink: true } }))).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining('holds data where it would be cut off') as string },
  });
  expect(await ended(ann.client.call(resizeImage, { params, body: { sizeBytes: 8 * MIB } }))).toMatchObject({
    state: 'done',
  });
  await ann.client.call(describeDisk, { params, body: { name: 'later', description: 'for tests' } });
  expect(await named('later')).toMatchObject({ id, sizeBytes: 8 * MIB, description: 'for tests' });

  const disk = await ann.client.call(createDisk, { body: { name: 'desk', source: { from: 'image', imageId: id } } });
  for (const refused of [
    ann.client.call(compactDisk, { params, body: {} }),
    ann.client.call(resizeImage, { params, body: { sizeBytes: 16 * MIB } }),
  ])
    await expect(refused).rejects.toThrow('image later is what 1 disk stands on: copy it, and change the copy');
  const family = await ann.client.call(diskFamily, { params: { diskId: disk.id } });
  expect(family.items.map(({ name }) => name)).toEqual(['later', 'desk']);
  await ended(ann.client.call(copyDisk, { params: { diskId: disk.id }, body: { name: 'alone' } }));
  const alone = await named('alone');
  expect(alone).toMatchObject({ kind: 'image', childCount: 0 });
  expect(await ended(ann.client.call(compactDisk, { params: { diskId: alone.id }, body: {} }))).toMatchObject({
    state: 'done',
  });
});

test('a disk is put on another image that holds the same, and its snapshots are folded down', async () => {
  const { id } = await named('alone');
  const source = { from: 'image', imageId: id } as const;
  const disk = await ann.client.call(createDisk, { body: { name: 'moved', source } });
  const params = { diskId: disk.id };
  await ended(ann.client.call(copyDisk, { params, body: { name: 'twin' } }));
  const twin = await named('twin');
  expect(await ended(ann.client.call(rebaseDisk, { params, body: { imageId: twin.id } }))).toMatchObject({
    state: 'done',
  });
  expect(await named('moved')).toMatchObject({ parentId: twin.id });
  const web = (await named('web')).id;
  expect(await ended(ann.client.call(rebaseDisk, { params, body: { imageId: web } }))).toMatchObject({
    state: 'failed',
    error: { message: expect.stringContaining('holds something else') as string },
  });
  const taken: string[] = [];
  for (const name of ['one', 'two']) taken.push((await ann.client.call(createSnapshot, { params, body: { name } })).id);
  const [oldest = '', newest = ''] = taken;
  const merge = (snapshotId: string) => ann.client.call(mergeSnapshot, { params: { ...params, snapshotId } });
  await expect(merge(oldest)).rejects.toThrow('is the oldest: delete it');
  expect(await ended(merge(newest))).toMatchObject({ state: 'done' });
  expect((await ann.client.call(listSnapshots, { params })).items.map(({ name }) => name)).toEqual(['two']);
  const other = connectDiskService(socketPath);
  const source2 = { from: 'snapshot', diskId: disk.id, snapshotId: newest } as const;
  await other.createDisk({ id: 'branch', name: 'branch', source: source2 }).finally(() => other.disconnect());
  const { items } = await ann.client.call(diskFamily, { params: { diskId: 'branch' } });
  expect(items.map(({ name, parentId, ofDiskId }) => [name, parentId, ofDiskId])).toEqual([
    ['twin', null, null],
    ['two', twin.id, disk.id],
    ['moved', newest, null],
    ['branch', newest, null],
  ]);
});

test('a file to download has its name, comes in parts, and goes', async () => {
  const { id } = await named('web');
  await ann.client.call(describeDisk, { params: { diskId: id }, body: { name: 'Wäb "1"' } });
  const made = await ended(ann.client.call(exportDisk, { params: { diskId: id }, body: { format: 'qcow2' } }));
  const file = ExportedFile.parse(made.result);
  const url = ann.client.url(downloadExport, { params: { exportId: file.id } });
  const whole = await ask('GET', url);
  expect(whole.headers).toMatchObject({
    'content-length': String(file.sizeBytes),
    'content-type': 'application/octet-stream',
    'content-disposition': `attachment; filename="W_b -1-.qcow2"; filename*=UTF-8''W%C3%A4b%20-1-.qcow2`,
  });
  const rest = await ask('GET', url, { headers: { range: 'bytes=65536-' } });
  expect(rest.status).toBe(206);
  expect(rest.body.equals(whole.body.subarray(65_536))).toBe(true);
  expect((await ask('GET', url, { headers: { range: `bytes=${file.sizeBytes}-` } })).status).toBe(400);
  const saved = path.join(folder, 'saved.qcow2');
  writeFileSync(saved, whole.body);
  const made2 = path.join(folder, 'made.raw');
  expect(
    execFileSync('qemu-img', ['compare', '-f', 'qcow2', '-F', 'raw', saved, made2], { encoding: 'utf8' }),
  ).toContain('identical');
  expect((await ann.client.call(listExports, {})).items.map((one) => one.id)).toContain(file.id);
  await ann.client.call(deleteExport, { params: { exportId: file.id } });
  await expect(ann.client.call(getDisk, { params: { diskId: file.id } })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect((await ask('GET', url)).status).toBe(404);
});

test('the import folder is named, and so is what lies in it, links left out', async () => {
  writeFileSync(path.join(folder, 'import', 'a.qcow2'), 'x');
  const { folder: where, files } = await ann.client.call(listImportFiles, {});
  expect(where).toBe(path.join(folder, 'import'));
  expect(files).toMatchObject([{ name: 'a.qcow2', sizeBytes: 1 }]);
  expect(existsSync(path.join(incoming, 'parts'))).toBe(true);
});
