/** Hosts as rows with connections: made, changed, lost, found again, forgotten; whoever follows is told. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FakeHost, fakeDriver } from '@oriel/hosts';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Host } from '../../../api/host.ts';
import { openLog } from '../../log.ts';
import { EventHub } from '../../platform/events/hub.ts';
import { openStore, type Store } from '../../platform/store/store.ts';
import { Hosts } from './hosts.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'oriel-hosts-'));
const hub = new EventHub();
let store: Store;
let hosts: Hosts;
let fakes: Map<string, FakeHost>;
beforeAll(async () => {
  store = await openStore({ folder });
});
afterAll(async () => {
  await store.close();
  rmSync(folder, { recursive: true });
});
beforeEach(async () => {
  fakes = new Map();
  await open();
});
afterEach(async () => {
  await hosts.close();
  await store.db.deleteFrom('hosts').execute();
});

async function open(): Promise<void> {
  const fake = async ({ name }: { readonly name: string }) => {
    if (name.startsWith('broken')) throw new Error('no such machine');
    const host = fakes.get(name) ?? new FakeHost({ name });
    fakes.set(name, host);
    return fakeDriver(host);
  };
  const log = openLog({ level: 'silent' });
  hosts = new Hosts({ db: store.db, hub, log, now: () => 0, kinds: { fake }, retryFirstMs: 10 });
  await hosts.open();
  await hosts.tried();
}

async function add(name: string): Promise<Host> {
  const { id } = await hosts.create({ name, kind: 'fake', config: {} });
  await hosts.tried();
  return hosts.get(id);
}

/** The next event about hosts of which `isSo` holds. */
function next(isSo: (event: { readonly kind: string; readonly data?: unknown }) => boolean): Promise<unknown> {
  return new Promise((resolve) => {
    const end = hub.subscribe(({ event }) => {
      if (event.topic !== 'host' || !isSo(event)) return;
      end();
      resolve(event.data);
    });
  });
}
const nextState = (state: Host['state']): Promise<unknown> => next(({ data }) => (data as Host)?.state === state);

test('a host is made once by its name, and is there again after a restart', async () => {
  const one = await add('one');
  expect(one).toMatchObject({ name: 'one', state: 'connected', reason: null, isInMaintenance: false, revision: 1 });
  await expect(add('one')).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  await expect(hosts.create({ name: 'two', kind: 'qemu', config: {} })).rejects.toMatchObject({
    code: 'NOT_SUPPORTED',
  });
  await hosts.close();
  await open();
  expect(hosts.list()).toMatchObject([{ id: one.id, name: 'one', state: 'connected' }]);
});

test('a change is told, and counts; the name of another is not taken', async () => {
  const { id } = await add('one');
  await add('two');
  const told = next(({ data }) => (data as Host)?.isInMaintenance);
  expect(await hosts.edit(id, { isInMaintenance: true })).toMatchObject({ isInMaintenance: true, revision: 2 });
  expect(await told).toMatchObject({ id, isInMaintenance: true });
  await expect(hosts.edit(id, { name: 'two' })).rejects.toMatchObject({ code: 'ALREADY_EXISTS' });
  expect(hosts.get(id)).toMatchObject({ name: 'one', revision: 2 });
});

test('one whose cable is out is unreachable, says why, and comes back by itself', async () => {
  const { id } = await add('one');
  const lost = nextState('unreachable');
  fakes.get('one')?.unplug();
  expect(await lost).toMatchObject({ id, reason: 'one cannot be reached', info: null });
  expect(() => hosts.requireDriver(id)).toThrow(expect.objectContaining({ code: 'UNAVAILABLE' }));
  const back = nextState('connected');
  fakes.get('one')?.plug();
  await back;
  expect(hosts.requireDriver(id).kind).toBe('fake');
});

test('one that cannot be reached at all holds up no other', async () => {
  expect(await add('broken')).toMatchObject({ state: 'unreachable', reason: 'no such machine' });
  expect(await add('one')).toMatchObject({ state: 'connected' });
});

test('one that is forgotten is gone for all who follow', async () => {
  const { id } = await add('one');
  const told = next(({ kind }) => kind === 'removed');
  await hosts.remove(id);
  await told;
  expect(hosts.list()).toEqual([]);
  expect(() => hosts.get(id)).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
  await expect(hosts.remove(id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
});
