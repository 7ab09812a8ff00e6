/** The backup worker: does one order and ends. Started by `runWorker`; its memory and what it opens go with it. */
import {
  connectNbd,
  createRepository,
  dropPoint,
  exportPoint,
  FolderStore,
  isVhdError,
  type Manifest,
  type ObjectStore,
  openPointDisk,
  openRepository,
  openS3Store,
  type PointRef,
  type Repository,
  replicate,
  sweepRepository,
  takePoint,
  verifyPoint,
} from '@oriel/vhd/restore-points';
import type { Listed, Order, OrderName, Orders, Reach, RepositoryFacts, Said } from './orders.ts';

/** Bytes that are written in one request when a disk is filled. */
const FILL_BYTES: number = 1 << 20;
const FILLS_AT_ONCE = 4;
const WINDOW_BYTES: number = 1 << 30;

type Progress = { readonly doneBytes: number; readonly totalBytes: number | undefined };

function say(said: Said): void {
  process.stdout.write(`${JSON.stringify(said)}\n`);
}

/** Bytes of a disk that go by between two collections. */
const GARBAGE_BYTES: number = 32 << 20;
let collectedAt = 0;

let told = -1;
/** In steps of a thousandth: a line for each piece would cost more than the piece. */
function onProgress({ doneBytes, totalBytes }: Progress): void {
  if (totalBytes === undefined || totalBytes === 0) return;
  // V8 sees the few objects of its heap, not the buffers beside it, and would let them grow to several times this.
  if (GARBAGE_BYTES <= Math.abs(doneBytes - collectedAt)) {
    collectedAt = doneBytes;
    globalThis.gc?.();
  }
  const step = Math.floor((doneBytes / totalBytes) * 1000);
  if (step === told) return;
  told = step;
  say({ progress: Math.min(1, step / 1000) });
}

async function storeOf({ place, secretAccessKey }: Reach): Promise<ObjectStore> {
  if (place.kind === 'folder') return new FolderStore(place.path);
  const { kind: _kind, accessKeyId, ...options } = place;
  const hasKey = accessKeyId !== undefined && typeof secretAccessKey === 'string';
  return openS3Store({ ...options, ...(hasKey ? { credentials: { accessKeyId, secretAccessKey } } : {}) });
}

const DO: { readonly [Name in OrderName]: (order: Order<Name>) => Promise<Orders[Name]['gives']> } = {
  create: async (order) => {
    const secret = order.secret === null ? {} : { secret: secretOf(order.secret) };
    return factsOf(await createRepository(await storeOf(order), { ...order.asks, ...secret }));
  },
  look: async (order) => factsOf(await open(order)),
  list: async (order) => listed(await open(order), order.asks.vmId),
  take: async (order) => {
    const { createdAt, keptUntil, ...point } = order.asks.point;
    const dates = { createdAt: new Date(createdAt), keptUntil: keptUntil === null ? null : new Date(keptUntil) };
    return takePoint(await open(order), { ...point, ...dates }, { onProgress });
  },
  verify: async (order) => verifyPoint(await open(order), order.asks.point, { ...order.asks, onProgress }),
  drop: async (order) => {
    await dropPoint(await open(order), order.asks.point, { onProgress });
    return null;
  },
  replicate: async (order) => {
    const { to, vmId } = order.asks;
    return replicate(await open(order), await open(to), {
      ...(vmId === undefined ? {} : { vmId }),
      onProgress,
    });
  },
  sweep: async (order) => sweepRepository(await open(order), order.asks),
  fill: async (order) => {
    await fill(await open(order), order.asks);
    return null;
  },
  export: async (order) => exportPoint(await open(order), order.asks.point, order.asks.folder, { onProgress }),
};

const secretOf = (base64: string): Uint8Array => Buffer.from(base64, 'base64');

const open = async (reach: Reach): Promise<Repository> =>
  openRepository(await storeOf(reach), reach.secret === null ? undefined : secretOf(reach.secret));

const factsOf = ({ config: { id, form, compression, key } }: Repository): RepositoryFacts => ({
  id,
  form,
  compression,
  isEncrypted: key !== null,
});

async function listed(repository: Repository, vmId: string | undefined): Promise<readonly Listed[]> {
  const all: Listed[] = [];
  for await (const point of repository.points(vmId)) {
    try {
      const manifest = await repository.manifest(point);
      all.push({ point, manifest, storedBytes: await storedBytesOf(repository, point, manifest) });
    } catch (error) {
      if (!isVhdError(error)) throw error;
      all.push({ point, problem: error.message });
    }
  }
  return all;
}

/** As the store has it: a folder leaves out zeros. */
async function storedBytesOf(repository: Repository, point: PointRef, { disks }: Manifest): Promise<number> {
  if (disks.every(({ form }) => form === 'container')) return disks.reduce((sum, disk) => sum + disk.storedBytes, 0);
  let bytes = 0;
  for await (const { storedBytes } of repository.objectsOf(point)) bytes += storedBytes;
  return bytes;
}

async function fill(repository: Repository, { point, diskId, uri }: Orders['fill']['asks']): Promise<void> {
  const from = await openPointDisk(repository, point, diskId);
  const to = await connectNbd(uri);
  try {
    const running = new Set<Promise<void>>();
    for (let at = 0; at < from.sizeBytes; at += WINDOW_BYTES) {
      for (const extent of await from.extents(at, Math.min(WINDOW_BYTES, from.sizeBytes - at))) {
        if (!extent.isAllocated || extent.isZero) continue;
        for (let done = 0; done < extent.length; done += FILL_BYTES) {
          const offset = extent.offset + done;
          const copy = copyOver(from, to, offset, Math.min(FILL_BYTES, extent.length - done)).finally(() =>
            running.delete(copy),
          );
          running.add(copy);
          if (FILLS_AT_ONCE <= running.size) await Promise.race(running);
          onProgress({ doneBytes: offset, totalBytes: from.sizeBytes });
        }
      }
    }
    await Promise.all(running);
    await to.flush();
  } finally {
    await to.close();
  }
}

async function copyOver(
  from: Awaited<ReturnType<typeof openPointDisk>>,
  to: Awaited<ReturnType<typeof connectNbd>>,
  offset: number,
  length: number,
): Promise<void> {
  const bytes = Buffer.allocUnsafeSlow(length);
  await from.read(bytes, offset);
  await to.write(bytes, offset);
}

async function main(): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  const order = JSON.parse(Buffer.concat(chunks).toString('utf8')) as Order;
  try {
    say({ result: await (DO[order.do] as (order: Order) => Promise<unknown>)(order) });
  } catch (error) {
    const code = isVhdError(error) ? error.code : 'INTERNAL';
    say({ error: { code, message: error instanceof Error ? error.message : String(error) } });
  }
}

await main();
