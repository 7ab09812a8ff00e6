/** BOUNDED: what one connection may have in flight, however much it sends and however slow the disk is. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import type { MaybeAsync } from '../disk.ts';
import { connectNbd, encodeRequest } from './client.ts';
import { encodeOption } from './client-handshake.ts';
import { MemoryDisk } from './memory-disk.ts';
import { serveNbd } from './server.ts';
import { CMD, OPT } from './wire.ts';

const MIB = 1 << 20;
/** As docs/design/disk-service.md has them; on purpose not taken from `NBD_LIMITS`. */
const [REQUESTS, READ_BYTES, WRITE_BYTES] = [128, 2 * MIB, MIB];
const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanups.splice(0).reverse()) await step();
});

/** A disk that takes requests and finishes none until it is told to. Reads and writes of the first page go through. */
class HeldDisk extends MemoryDisk {
  /** Requests that came in. */
  count = 0;
  /** Bytes of the requests that are not finished, and the most there ever were. */
  heldBytes = 0;
  mostBytes = 0;
  #waiting: (() => void)[] = [];
  #isHolding = true;

  override read(into: Uint8Array, offset: number, start = 0, length: number = into.byteLength - start): MaybeAsync {
    if (offset === 0) return super.read(into, offset, start, length);
    return this.#hold(length, () => super.read(into, offset, start, length));
  }
  override write(from: Uint8Array, offset: number, start = 0, length: number = from.byteLength - start): MaybeAsync {
    if (offset === 0) return super.write(from, offset, start, length);
    return this.#hold(length, () => super.write(from, offset, start, length));
  }
  override flush(): Promise<void> {
    return this.#hold(0, () => undefined);
  }
  override trim(): MaybeAsync {
    return this.#hold(0, () => undefined);
  }

  release(): void {
    this.#isHolding = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  async #hold(bytes: number, work: () => MaybeAsync): Promise<void> {
    this.count += 1;
    this.heldBytes += bytes;
    this.mostBytes = Math.max(this.mostBytes, this.heldBytes);
    if (this.#isHolding) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    await work();
    this.heldBytes -= bytes;
  }
}

interface Setup {
  readonly disk: HeldDisk;
  readonly socket: Socket;
  /** Settles when another client was served so often that all the first one sent has been looked at. */
  readonly settle: () => Promise<void>;
  /** Settles when so many bytes of replies have come. */
  readonly replies: (bytes: number) => Promise<void>;
}

/** A server on a held disk, and a client whose handshake is done. */
async function setup(): Promise<Setup> {
  const folder = mkdtempSync('/tmp/oriel-l-');
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }));
  const disk = new HeldDisk(64 * MIB);
  const socketPath = join(folder, 's');
  const served = await serveNbd(disk, { socketPath });
  cleanups.push(() => served.close());
  cleanups.push(() => disk.release());
  const socket = connect(socketPath);
  cleanups.push(() => socket.destroy());
  let received = 0;
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => (received += chunk.byteLength));
  const replies = async (bytes: number): Promise<void> => {
    while (received < bytes) await once(socket, 'data');
    received -= bytes;
  };
  await replies(18);
  socket.write(Buffer.from([0, 0, 0, 3]));
  socket.write(encodeOption(OPT.exportName));
  await replies(10);
  const other = await connectNbd(served.uri);
  cleanups.push(() => other.close());
  const settle = async (): Promise<void> => {
    for (let i = 0; i < 100; i++) await other.write(Buffer.alloc(512), 0);
  };
  return { disk, socket, settle, replies };
}

const times = (count: number, make: (i: number) => Buffer): Buffer =>
  Buffer.concat(Array.from({ length: count }, (_, i) => make(i)));

describe('BOUNDED: one connection, a disk that does not answer', () => {
  test.for([
    { it: 'reads', request: (i: number) => encodeRequest(CMD.read, 0, i, 4096, 1), replyBytes: 17 },
    {
      it: 'writes',
      request: (i: number) => Buffer.concat([encodeRequest(CMD.write, 0, i, 4096, 1), Buffer.alloc(1)]),
      replyBytes: 16,
    },
    { it: 'flushes', request: (i: number) => encodeRequest(CMD.flush, 0, i, 0, 0), replyBytes: 16 },
    { it: 'trims', request: (i: number) => encodeRequest(CMD.trim, 0, i, 4096, 512), replyBytes: 16 },
  ])('requests in flight: of a thousand $it no more than the limit reach the disk', async ({ request, replyBytes }) => {
    const { disk, socket, settle, replies } = await setup();
    socket.write(times(1000, request));
    await settle();
    // One that waits for its payload counts, and has not reached the disk.
    expect([REQUESTS, REQUESTS - 1]).toContain(disk.count);
    disk.release();
    await replies(1000 * replyBytes); // Held back, not lost.
    expect(disk.count).toBe(1000);
  });

  test.for([{ length: 16 << 10 }, { length: 64 << 10 }, { length: MIB }, { length: 8 * MIB }])(
    'bytes in flight: reads of $length',
    async ({ length }) => {
      const { disk, socket, settle, replies } = await setup();
      const count = Math.ceil((32 * MIB) / length);
      // The disk has to say that there is data: of holes nothing is read.
      disk.extents = (at, bytes) =>
        Promise.resolve([{ offset: at, length: bytes, isAllocated: true, isZero: false, link: 0 }]);
      socket.write(times(count, (i) => encodeRequest(CMD.read, 0, i, 4096, length)));
      await settle();
      expect(disk.heldBytes).toBeGreaterThan(0);
      expect(disk.heldBytes).toBeLessThanOrEqual(READ_BYTES + Math.min(length, MIB));
      disk.release();
      await replies(count * (16 + length));
      expect(disk.mostBytes).toBeLessThanOrEqual(READ_BYTES + Math.min(length, MIB));
    },
  );

  test.for([{ length: 16 << 10 }, { length: 64 << 10 }, { length: MIB }, { length: 32 * MIB }])(
    'bytes in flight: writes of $length',
    async ({ length }) => {
      const { disk, socket, settle, replies } = await setup();
      const count = (32 * MIB) / length;
      const payload = Buffer.alloc(length, 1);
      socket.write(times(count, (i) => Buffer.concat([encodeRequest(CMD.write, 0, i, 4096, length), payload])));
      await settle();
      // The limit, and what one read of the socket brought beyond it.
      const most = WRITE_BYTES + (260 << 10);
      expect(disk.heldBytes).toBeGreaterThan(0);
      expect(disk.heldBytes).toBeLessThanOrEqual(most);
      disk.release();
      await replies(count * 16);
      expect(disk.mostBytes).toBeLessThanOrEqual(most);
    },
  );
});
