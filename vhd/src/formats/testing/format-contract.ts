/**
 * What every format has to keep, FLUSHED-IS-SAFE with recorded power cuts among it. A format is right when one call of
 * this passes for it.
 */
import { describe, expect, test } from 'vitest';
import { openChain } from '../../chain/open.ts';
import { copyDisk } from '../../copy/copy.ts';
import type { Disk } from '../../disk.ts';
import { NIL_IDENTITY } from '../../image/identity.ts';
import type { Image } from '../../image/image.ts';
import { MemoryStorage } from '../../storage/memory-storage.ts';
import { DiskProgram } from '../../testing/disk-program.ts';
import { makeImage } from '../../testing/images.ts';
import { replayPowerCuts } from '../../testing/power-cuts.ts';
import { DEEP_TIMEOUT_MS, Random, TEST_DEPTH } from '../../testing/random.ts';
import { MIB } from '../../units.ts';
import { contentOf } from '../content.ts';
import type { ImageFormat, NativeFormat, NewImageFields } from '../format.ts';
import { targetOf } from '../formats.ts';
import { openImage } from '../open.ts';

const NAME = '/disks/image';
const SIZE_BYTES = 3 * MIB;
const FIELDS: NewImageFields = {
  identity: '01234567-89ab-cdef-0123-456789abcdef',
  now: new Date('2026-11-21T00:00:00Z'),
  blockBytes: MIB / 2,
};
const PROGRAMS = 4;
const CUTS = 1000;

/** Runs the suite for a format and the kinds of image that are made in it. */
export function formatContract(format: ImageFormat, kinds: readonly NativeFormat[]): void {
  describe.each(kinds)(`${format.name} keeps the contract of formats, %s`, (kind) => {
    const open = (storage: MemoryStorage): Image => openImage(NAME, { storage, format: format.name });
    const openDisk = (storage: MemoryStorage, isReadOnly = true): Promise<Disk> =>
      openChain(NAME, { storage, isReadOnly, format: format.name });

    /** An empty image, and one that a disk of random content was copied into; the content. */
    async function written(): Promise<{ readonly storage: MemoryStorage; readonly content: Buffer }> {
      const storage = new MemoryStorage();
      await makeImage(storage, '/disks/source.img', { sizeBytes: SIZE_BYTES, type: 'raw' });
      const content = Buffer.alloc(SIZE_BYTES);
      content.set(new Random(7).bytes(4096), MIB + 512);
      content.set(new Random(8).bytes(512), SIZE_BYTES - 512);
      storage.open('/disks/source.img', 'write').writeSync(content, 0, SIZE_BYTES, 0);
      const source = await openChain('/disks/source.img', { storage, format: 'raw' });
      const sink = targetOf(kind).sink(storage.open(NAME, 'create'), FIELDS);
      await copyDisk(source, sink, {});
      await sink.finish(SIZE_BYTES);
      await source.close();
      return { storage, content };
    }

    const contentFrom = async (storage: MemoryStorage): Promise<Buffer> => {
      const disk = await openDisk(storage);
      const bytes = Buffer.alloc(disk.sizeBytes);
      await disk.read(bytes, 0);
      await disk.close();
      return bytes;
    };

    test('an empty image is recognized, and is what was asked for', async () => {
      const storage = new MemoryStorage();
      await makeImage(storage, NAME, { sizeBytes: SIZE_BYTES, type: kind });
      expect(contentOf(NAME, storage)).toBe(format.name);
      const image = open(storage);
      expect([image.format, image.sizeBytes, image.sectorBytes, image.isReadOnly]).toEqual([
        format.name,
        SIZE_BYTES,
        512,
        true,
      ]);
      expect([image.hasParent, image.parent, image.findings]).toEqual([false, undefined, []]);
      expect(format.tiesOf(image.file)).toEqual({
        identity: image.identity,
        sizeBytes: image.sizeBytes,
        parentIdentity: undefined,
      });
      expect(image.isWhole ? image.blockBytes : SIZE_BYTES).toBe(SIZE_BYTES);
      expect((await contentFrom(storage)).equals(Buffer.alloc(SIZE_BYTES))).toBe(true);
    });

    test('what a copy wrote reads the same, and a check finds nothing', async () => {
      const { storage, content } = await written();
      expect((await contentFrom(storage)).equals(content)).toBe(true);
      const file = storage.open(NAME, 'read');
      const findings = await format.check(file, { isDeep: true });
      expect(findings.filter(({ severity }) => severity !== 'note')).toEqual([]);
    });

    test('a stream has the length that it said, and is such an image', async () => {
      const { storage, content } = await written();
      const disk = await openDisk(storage);
      const stream = await targetOf(kind).stream(disk, FIELDS);
      const parts: Buffer[] = [];
      for await (const chunk of stream.chunks) parts.push(Buffer.from(chunk));
      await disk.close();
      const bytes = Buffer.concat(parts);
      expect(bytes.byteLength).toBe(stream.lengthBytes);
      storage.remove(NAME);
      storage.open(NAME, 'create').writeSync(bytes, 0, bytes.byteLength, 0);
      expect((await contentFrom(storage)).equals(content)).toBe(true);
    });

    test('a patch that makes it larger keeps the content, and zeros come behind', async () => {
      const { storage, content } = await written();
      const file = storage.open(NAME, 'write');
      const patch = format.resize(file, 2 * SIZE_BYTES);
      for (const { offset, bytes } of patch.parts) file.writeSync(bytes, 0, bytes.byteLength, offset);
      if (patch.sizeBytes !== undefined) await file.truncate(patch.sizeBytes);
      expect(patch.identity).toBe(open(storage).identity);
      expect((await contentFrom(storage)).equals(Buffer.concat([content, Buffer.alloc(SIZE_BYTES)]))).toBe(true);
    });

    test('an identity is kept where the format has one, and children are made of what has one', async () => {
      const { storage } = await written();
      const { identity } = open(storage);
      expect(identity).toBe(format.newChild === undefined ? NIL_IDENTITY : FIELDS.identity);
    });

    test('FLUSHED-IS-SAFE: a disk in use survives a power cut at any write', { timeout: DEEP_TIMEOUT_MS }, async () => {
      let tried = 0;
      for (let seed = 21; seed < 21 + PROGRAMS; seed++) {
        const program = new DiskProgram(seed, undefined, kind);
        await program.prepare();
        await program.run(20);
        const check = (storage: MemoryStorage, cut: Parameters<DiskProgram['check']>[1]): Promise<void> =>
          program.check(storage, cut);
        tried += await replayPowerCuts(program.recording, {
          seed,
          states: Math.round((CUTS * TEST_DEPTH) / PROGRAMS),
          check,
        });
      }
      expect(tried).toBeGreaterThanOrEqual(CUTS * TEST_DEPTH * 0.7);
    });
  });
}
