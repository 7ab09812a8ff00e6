/** Every verb reads what a disk contains, and never the bytes of what it is packed in. With qemu-img as the peer. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { convertDisk, openSource } from '../convert.ts';
import { createImage } from '../create.ts';
import { diffDisks } from '../diff.ts';
import { hashDisk } from '../hash.ts';
import { refuseFooter, sniff } from '../incoming.ts';
import { mapDisk } from '../map.ts';
import { anyInfo } from './any-info.ts';
import { openAnySource } from './source.ts';

let folder = '';
const at = (name: string): string => path.join(folder, name);
const content = Buffer.alloc(3 << 20);

beforeAll(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-source-'));
  content.fill('content', 1 << 20, 2 << 20);
  fs.writeFileSync(at('disk.raw'), content);
});
afterAll(() => fs.rmSync(folder, { recursive: true }));

describe('openAnySource', () => {
  test.for(['qcow2', 'vmdk', 'vhdx', 'vdi', 'qcow', 'qed', 'parallels', 'vpc'])(
    'a %s called .img is read as what it is',
    async (format) => {
      const name = `${format}.img`;
      execFileSync('qemu-img', [
        'convert',
        '-f',
        'raw',
        '-O',
        format,
        ...(format === 'vpc' ? ['-o', 'force_size=on'] : []),
        at('disk.raw'),
        at(name),
      ]);
      const notes: string[] = [];
      const disk = await openAnySource(at(name), { onNote: (note) => notes.push(note) });
      const raw = await openAnySource(at('disk.raw'));
      try {
        expect(notes).toEqual([expect.stringContaining(name)]);
        expect(await hashDisk(disk)).toBe(await hashDisk(raw));
        for await (const range of diffDisks(disk, raw)) expect(range).toBeUndefined();
        let data = 0;
        for await (const entry of mapDisk(disk)) data += entry.data ? entry.length : 0;
        expect(data).toBeGreaterThanOrEqual(1 << 20);
      } finally {
        await disk.close();
        await raw.close();
      }
      expect(await anyInfo(at(name))).toMatchObject({ virtualBytes: content.byteLength });
    },
  );

  test('what has to be unpacked first is refused, unless it is said to be raw', async () => {
    fs.writeFileSync(at('disk.luks'), Buffer.concat([Buffer.from('LUKS\xba\xbe', 'latin1'), Buffer.alloc(4096 - 6)]));
    await expect(openAnySource(at('disk.luks'))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: /LUKS/ });
    const disk = await openAnySource(at('disk.luks'), { from: 'raw' });
    expect(disk.sizeBytes).toBe(4096);
    await disk.close();
    expect(await anyInfo(at('disk.luks'))).toMatchObject({ format: 'luks', fileBytes: 4096 });
  });

  test('what is called like an image and has nothing of one is not raw', async () => {
    for (const name of ['lost.vhd', 'lost.qcow2', 'lost.avhdx']) {
      fs.writeFileSync(at(name), content);
      await expect(openAnySource(at(name))).rejects.toMatchObject({ code: 'NOT_VHD' });
      await expect(openSource(at(name))).rejects.toMatchObject({ code: 'NOT_VHD' });
    }
  });

  test('a qcow2 with a backing file is not read', async () => {
    execFileSync('qemu-img', ['create', '-f', 'qcow2', '-b', at('disk.raw'), '-F', 'raw', at('child.qcow2')]);
    await expect(openAnySource(at('child.qcow2'))).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test('the library refuses a foreign disk where only its own formats go', async () => {
    execFileSync('qemu-img', ['create', '-f', 'qcow2', at('empty.img'), '1M']);
    await expect(openSource(at('empty.img'))).rejects.toMatchObject({ code: 'UNSUPPORTED', message: /qcow2/ });
  });
});

describe('standard input', () => {
  test('a dynamic VHD and a qcow2 are recognized by how they begin', async () => {
    await createImage(at('in.vhd'), { sizeBytes: 4 << 20 });
    execFileSync('qemu-img', ['create', '-f', 'qcow2', at('in.qcow2'), '1M']);
    for (const [name, wanted] of [
      ['in.vhd', 'vhd'],
      ['in.qcow2', 'qcow2'],
      ['disk.raw', 'raw'],
    ] as const) {
      const { content: found, chunks } = await sniff(fs.createReadStream(at(name)));
      expect(found).toBe(wanted);
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      expect(Buffer.concat(parts).equals(fs.readFileSync(at(name)))).toBe(true);
    }
  });

  test('a fixed VHD is found at its end, and refused', async () => {
    const source = await openSource(at('disk.raw'));
    await convertDisk(source, at('fixed.vhd'), { to: 'fixed' });
    await source.close();
    const drain = async (stream: AsyncIterable<Uint8Array>): Promise<number> => {
      let bytes = 0;
      for await (const chunk of refuseFooter(stream)) bytes += chunk.byteLength;
      return bytes;
    };
    await expect(drain(fs.createReadStream(at('fixed.vhd')))).rejects.toMatchObject({
      code: 'USAGE',
      message: /--from vhd/,
    });
    expect(await drain(fs.createReadStream(at('disk.raw')))).toBe(content.byteLength);
    expect(await drain(Readable.from([Buffer.alloc(3), Buffer.alloc(5)]))).toBe(8);
  });
});
