/** What oriel 0.1.0 wrote about a VM is read as it was meant; what a later one wrote is not guessed at. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { vmSpec } from '../../spec.ts';
import { readDefinition, readProcess, readTask } from './record.ts';

const folder = mkdtempSync(join(tmpdir(), 'oriel-record-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function file(record: object): string {
  const path = join(folder, 'record.json');
  writeFileSync(path, JSON.stringify(record));
  return path;
}

const uri = 'nbd+unix:///a?socket=/run/d';
/** As 0.1.0 wrote it; every flag is the other way round than where nothing is said. */
const FIRST = {
  id: 'a',
  name: 'a',
  generation: 3,
  machine: 'q35',
  firmware: 'bios',
  vcpus: 1,
  memoryMiB: 64,
  disks: [{ id: 'd', uri, bus: 'ide', readOnly: true }],
  cds: [{ id: 'c' }],
  nics: [],
  video: 'std',
  serial: false,
  agent: false,
  rng: false,
  tpm: true,
  tablet: false,
};
const NOW = vmSpec({
  id: 'a',
  generation: 3,
  memoryMiB: 64,
  disks: [{ id: 'd', uri, bus: 'ide', isReadOnly: true }],
  cds: [{ id: 'c' }],
  hasSerial: false,
  hasAgent: false,
  hasRng: false,
  hasTpm: true,
  hasTablet: false,
});
const VM = {
  machine: 'pc-q35-7.2',
  uuid: '6f1c5c4e-0000-4000-8000-000000000001',
  ports: {},
  boots: 2,
  rest: { state: { state: 'saved', savedAt: 5 }, since: 1 },
};
const RUN = { ref: { pid: 1, startTicks: 2, bootId: 'b' }, accelerator: 'tcg', startedAt: 7, rounds: { d: 1 } };

test('a definition of version 1, with what was saved', async () => {
  const read = await readDefinition(file({ version: 1, spec: FIRST, savedSpec: FIRST, ...VM }));
  expect(read).toEqual({ version: 2, spec: NOW, savedSpec: NOW, ...VM });
  expect(await readDefinition(file(read as object))).toEqual(read);
});

test('a process of version 1', async () => {
  const read = await readProcess(file({ version: 1, spec: FIRST, ...RUN }));
  expect(read).toEqual({ version: 2, spec: NOW, ...RUN });
  expect(await readProcess(file(read as object))).toEqual(read);
});

test('a task of version 1: a guest that was to stay paused stays so', async () => {
  const task = { id: 'a.1', kind: 'start', startedAt: 7 };
  expect(await readTask(file({ version: 1, ...task, paused: true }))).toMatchObject({ ...task, isPaused: true });
  expect(await readTask(file({ version: 2, ...task, isPaused: true }))).toMatchObject({ ...task, isPaused: true });
});

test('a record of a later version is VM_BROKEN, and says what it may be', async () => {
  const later = readDefinition(file({ version: 3, spec: NOW, ...VM }));
  await expect(later).rejects.toMatchObject({ code: 'VM_BROKEN', message: expect.stringContaining('a later oriel') });
});
