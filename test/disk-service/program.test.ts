/**
 * Random programs of writes, flushes, zeroes, trims, snapshots, folds, leases and kills of the service, against a model.
 * Every sector carries the number of the write that made it. After a kill, a sector may hold what was flushed, or
 * anything written since; nothing older, and nothing else.
 */
import { connectNbd, type NbdClient, type TaskInfo } from '@oriel/vhd';
import { describe, expect, test } from 'vitest';
import { type ServiceProcess, serviceProcess } from './service-process.ts';
import { DEPTH, MIB, seeded } from './setup.ts';

const SIZE = 8 * MIB;
const SECTOR = 512;

/** What each sector may hold: the number of a write, 0 for zeros. The first is what it is sure to hold at least. */
class Model {
  readonly #allowed: Set<number>[] = Array.from({ length: SIZE / SECTOR }, () => new Set([0]));
  #last: number[] = Array.from({ length: SIZE / SECTOR }, () => 0);

  write(sector: number, count: number, number: number): void {
    for (let at = sector; at < sector + count; at++) {
      this.#allowed[at]?.add(number);
      this.#last[at] = number;
    }
  }

  /** What was acknowledged before a flush is stable when the flush is. */
  flushed(): void {
    this.#allowed.forEach((set, at) => {
      set.clear();
      set.add(this.#last[at] ?? 0);
    });
  }

  /** Sectors that hold what they must not. Afterwards what is there counts as written. */
  judge(content: Buffer, isExact: boolean): string[] {
    const wrong: string[] = [];
    for (let at = 0; at < SIZE / SECTOR; at++) {
      const sector = content.subarray(at * SECTOR, (at + 1) * SECTOR);
      const number = sector.readUInt32LE(0);
      const isWhole = sector.equals(stamp(number, 1));
      const isRight = isExact ? number === this.#last[at] : this.#allowed[at]?.has(number) === true;
      if (!isWhole || !isRight)
        wrong.push(`sector ${at}: ${isWhole ? number : 'torn'}, not ${[...(this.#allowed[at] ?? [])].join(' or ')}`);
      this.#last[at] = number;
    }
    return wrong;
  }
}

/** Sectors that say which write made them. */
function stamp(number: number, count: number): Buffer {
  const bytes = Buffer.alloc(count * SECTOR);
  for (let at = 0; at < bytes.byteLength; at += 4) bytes.writeUInt32LE(number, at);
  return bytes;
}

describe('random programs', () => {
  for (let program = 1; program <= 2 * DEPTH; program++) {
    test(`program ${program}`, async () => {
      const service = await serviceProcess();
      const random = seeded(program * 7919);
      const model = new Model();
      const image = await service.client.createImage({ name: 'base', sizeBytes: SIZE });
      const { id } = await service.client.createDisk({ name: 'vm', source: { from: 'image', imageId: image.id } });
      let uri = (await service.client.openDisk({ id })).uri;
      let client = await connectNbd(uri);
      let number = 0;
      for (let step = 0; step < 70; step++) {
        const what = random.int(100);
        const sector = random.int(SIZE / SECTOR - 600);
        const count = 1 + random.int(random.int(8) === 0 ? 600 : 24);
        if (what < 60) {
          number += 1;
          model.write(sector, count, number);
          await client.write(stamp(number, count), sector * SECTOR);
        } else if (what < 70) {
          model.write(sector, count, 0);
          await client.writeZeroes(sector * SECTOR, count * SECTOR, { mayUnmap: what < 65 });
        } else if (what < 80) {
          await client.flush();
          model.flushed();
        } else if (what < 92) {
          await service.client.waitForTask((await change(service, id, random)).id);
        } else if (what < 95) {
          await client.close();
          uri = (await service.client.openDisk({ id })).uri;
          client = await connectNbd(uri);
        } else {
          change(service, id, random).catch(() => undefined); // Cut off wherever it is.
          for (let asked = random.int(8); 0 < asked; asked -= 1) await service.client.health();
          await service.kill();
          await client.close().catch(() => undefined);
          await service.start();
          client = await connectNbd(uri);
          expect(model.judge(await contentOf(client), false)).toEqual([]);
          model.flushed();
          await client.flush();
        }
      }
      expect(model.judge(await contentOf(client), true)).toEqual([]);
      await client.close();
      const check = await service.client.closeDisk({ id }).then(() => service.client.checkDisk({ id }));
      const { result } = await service.client.waitForTask(check.id);
      const findings = result?.['findings'] as { severity: string }[];
      expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
    });
  }
});

function change(service: ServiceProcess, id: string, random: ReturnType<typeof seeded>): Promise<TaskInfo> {
  const { client } = service;
  return client.getDisk({ id }).then(async ({ snapshots }) => {
    while ((await client.health()).runningTasks !== 0) await new Promise((resolve) => setImmediate(resolve));
    const pick = snapshots[random.int(Math.max(1, snapshots.length))];
    const what = random.int(4);
    if (pick === undefined || snapshots.length < 2 || what === 0) return client.snapshotDisks({ ids: [id], name: 's' });
    if (what === 1) return client.removeSnapshot({ id, snapshotId: pick.id });
    if (what === 2 && pick !== snapshots[0]) return client.mergeDown({ id, snapshotId: pick.id });
    return client.commitLeaf({ id });
  });
}

async function contentOf(client: NbdClient): Promise<Buffer> {
  const bytes = Buffer.alloc(SIZE);
  await client.read(bytes, 0);
  return bytes;
}
