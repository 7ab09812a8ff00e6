/** What a journal may make this library do: nothing outside of its folders, nothing to another image than it means. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { VhdError } from '../errors.ts';
import { journalName } from '../storage/journal-name.ts';
import { MemoryStorage } from '../storage/memory-storage.ts';
import { fileSystem } from '../storage/storage.ts';
import { MIB } from '../units.ts';
import { createImage } from './create.ts';
import { finishPending } from './finish.ts';
import { type Journal, writeJournal } from './journal.ts';
import { readAll } from './testing/chains.ts';

describe('journals', () => {
  test('a journal with a wrong checksum is JOURNAL', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: MIB });
    const text = Buffer.from('{"version":1,"steps":[]}\n0000\n');
    storage.open(journalName('/d/a.vhd', storage), 'create').writeSync(text, 0, text.length, 0);
    await expect(finishPending('/d/a.vhd', { storage })).rejects.toMatchObject({ code: 'JOURNAL' });
  });
  test('a journal that names a file outside is JOURNAL, and the file stays', async () => {
    const storage = new MemoryStorage();
    await createImage('/d/a.vhd', { storage, sizeBytes: MIB });
    const victim = await createImage('/etc/victim.vhd', { storage, sizeBytes: MIB });
    await writeJournal(
      '/d/a.vhd',
      { kind: 'steps', steps: [{ do: 'remove', file: '/etc/victim.vhd', uuid: victim.uuid }] },
      storage,
    );
    await expect(finishPending('/d/a.vhd', { storage })).rejects.toMatchObject({ code: 'JOURNAL' });
    expect(storage.stat('/etc/victim.vhd')).toBeDefined();
  });
  test('a step is for the image of its identity alone: another, or what is no image, stays as it is', async () => {
    const storage = new MemoryStorage();
    const own = await createImage('/d/a.vhd', { storage, sizeBytes: MIB });
    await createImage('/d/b.vhd', { storage, sizeBytes: MIB });
    const text = Buffer.from('no image at all '.repeat(100));
    storage.open('/d/notes', 'create').writeSync(text, 0, text.length, 0);
    const before = new Map([...storage.nodes].map(([name, { id, isWritable }]) => [name, { id, isWritable }]));
    const parts = [{ offset: 0, bytes: new Uint8Array(512) }];
    const links = [{ file: '/d/a.vhd', uuid: own.uuid }];
    const names = { before: own.uuid, snapshot: '/d/s.vhd', child: '/d/a.vhd' };
    const journals = ['/d/b.vhd', '/d/notes'].flatMap((file): (Journal & { readonly code?: string })[] => [
      { kind: 'steps', steps: [{ do: 'patch', file, uuid: own.uuid, parts }], code: 'JOURNAL' },
      { kind: 'steps', steps: [{ do: 'mode', file, uuid: own.uuid, isWritable: false }] },
      { kind: 'steps', steps: [{ do: 'remove', file, uuid: own.uuid }] },
      { kind: 'steps', steps: [{ do: 'swap', file, ...names, uuid: own.uuid }], code: 'JOURNAL' },
      { kind: 'merge', plan: { target: file, targetUuid: own.uuid, links }, code: 'JOURNAL' },
      { kind: 'steps', steps: [], prepares: { target: file, targetUuid: own.uuid, links }, code: 'JOURNAL' },
    ]);
    for (const { code, ...journal } of journals) {
      await writeJournal('/d/a.vhd', journal, storage);
      const ended = await finishPending('/d/a.vhd', { storage }).catch((error: VhdError) => error.code);
      expect({ journal, ended }).toEqual({ journal, ended: code ?? ['/d/a.vhd'] });
      storage.remove(journalName('/d/a.vhd', storage));
      expect(new Map([...storage.nodes].map(([name, { id, isWritable }]) => [name, { id, isWritable }]))).toEqual(
        before,
      );
      expect(storage.open('/d/notes', 'read').sizeBytes).toBe(text.length);
      expect((await readAll('/d/b.vhd', storage)).length).toBe(MIB);
    }
  });
  test('a name that leads out of the folder by a link is JOURNAL, whoever keeps the folder', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'oriel-journal-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const at = (name: string): string => join(folder, name);
    for (const name of ['in', 'out']) mkdirSync(at(name));
    const { uuid } = await createImage(at('out/victim.vhd'), { sizeBytes: MIB });
    await createImage(at('in/a.vhd'), { sizeBytes: MIB });
    symlinkSync('../out/victim.vhd', at('in/link.vhd'));
    symlinkSync('../out', at('in/folder'));
    const before = readFileSync(at('out/victim.vhd'));
    for (const file of [at('in/link.vhd'), at('in/folder/victim.vhd'), at('in/folder/new.vhd')]) {
      const parts = [{ offset: 0, bytes: new Uint8Array(512) }];
      await writeJournal(at('in/a.vhd'), { kind: 'steps', steps: [{ do: 'patch', file, uuid, parts }] }, fileSystem);
      const refusal = { code: 'JOURNAL', message: expect.stringContaining('outside of the folders') };
      await expect(finishPending(at('in/a.vhd'))).rejects.toMatchObject(refusal);
    }
    expect(readFileSync(at('out/victim.vhd')).equals(before)).toBe(true);
  });
});
