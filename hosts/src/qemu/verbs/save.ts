/**
 * Saving a VM's memory to a file and throwing it away. QEMU sends it through a socket of ours: it opens no path and starts
 * no shell for it. Spec: QEMU docs/devel/migration.rst.
 */
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { HostError } from '../../errors.ts';
import type { TaskControl } from '../../task-book.ts';
import type { QmpClient } from '../qmp/client.ts';
import type { QemuVm } from '../vm/vm.ts';
import { plugClipboard, unplugClipboard } from './clipboard.ts';
import { forceOff } from './power.ts';

const POLL_MS = 20;
/** QEMU's own limit is for networks. */
const BANDWIDTH = 1 << 30;

/** Pauses, writes the memory, ends QEMU. Begun again from the start by the next driver where we did not finish. */
export async function saveVm(vm: QemuVm, control: TaskControl): Promise<void> {
  if (vm.process === undefined) {
    if (vm.state.state === 'saved') return;
    throw vm.wrongState('save');
  }
  // INVARIANT: the guest does not run again beside a memory that is recorded as saved: all that is left is to end QEMU.
  if (vm.known('save').rest.state.state === 'saved') return forceOff(vm, 'requested');
  vm.checkHeld();
  const qmp = vm.connection('save');
  vm.become({ state: 'saving' });
  try {
    await settle(qmp, vm.host.timing.connectMs);
    await unplugClipboard(qmp, vm.host.timing.connectMs);
    await vm.whileHeld(receiveMemory(vm, qmp, control));
    vm.checkHeld();
  } catch (error) {
    vm.checkHeld(); // Our own end is no failure of the save: the next driver begins it again.
    // The guest goes on as if nothing had been asked.
    await plugClipboard(vm, qmp).catch(() => undefined);
    await qmp.execute('cont').catch(() => undefined);
    await vm.refreshAfterVerb().catch(() => undefined);
    throw error;
  }
  const definition = vm.known('save');
  const savedAt = vm.host.now();
  // INVARIANT: the record says `saved` after the memory is whole on disk and before QEMU ends: a crash between any two
  // of these lines finds a VM that runs or a memory that can be resumed.
  await vm.saveDefinition({
    ...definition,
    savedSpec: vm.process.spec,
    rest: { state: { state: 'saved', savedAt }, since: savedAt },
  });
  await forceOff(vm, 'requested');
}

/** Where an earlier driver began: its migration has lost its reader and has to be over before ours can begin. */
async function settle(qmp: QmpClient, withinMs: number): Promise<void> {
  const end = Date.now() + withinMs;
  while (isUnderWay((await qmp.execute('query-migrate')).status)) {
    if (end < Date.now()) throw new HostError('HOST_TIMEOUT', `an earlier save did not end within ${withinMs} ms`);
    await qmp.execute('migrate_cancel');
    await delay(POLL_MS);
  }
  const { status } = await qmp.execute('query-status');
  if (status === 'postmigrate') await qmp.execute('cont'); // An earlier driver got as far as that.
  await qmp.execute('stop');
}

function isUnderWay(status: string | undefined): boolean {
  return status !== undefined && !['none', 'completed', 'failed', 'cancelled'].includes(status);
}

async function receiveMemory(vm: QemuVm, qmp: QmpClient, control: TaskControl): Promise<void> {
  const { paths } = vm;
  const partial = `${paths.savedMemory}.part`;
  await rm(paths.save, { force: true });
  await rm(partial, { force: true });
  const file = await open(partial, 'wx', 0o600);
  const received = listenOnce(paths.save);
  try {
    await received.listening;
    await qmp.execute('migrate-set-parameters', { 'max-bandwidth': BANDWIDTH });
    await qmp.execute('migrate', { uri: `unix:${paths.save}` });
    const writing = received.socket.then((socket) => writeAll(socket, file));
    writing.catch(() => undefined);
    await watchMigration(vm, qmp, control);
    await writing;
    await file.sync();
    await rename(partial, paths.savedMemory);
  } catch (error) {
    await qmp.execute('migrate_cancel').catch(() => undefined);
    throw error;
  } finally {
    received.close();
    await file.close();
    await rm(partial, { force: true });
    await rm(paths.save, { force: true });
  }
}

async function writeAll(socket: Socket, file: FileHandle): Promise<void> {
  for await (const chunk of socket as AsyncIterable<Uint8Array>) {
    for (let at = 0; at < chunk.byteLength; ) at += (await file.write(chunk, at)).bytesWritten;
  }
}

function listenOnce(path: string): { listening: Promise<void>; socket: Promise<Socket>; close: () => void } {
  const server = createServer();
  let taken: Socket | undefined;
  const socket = new Promise<Socket>((resolve) => {
    server.once('connection', (connection) => {
      taken = connection;
      resolve(connection);
    });
  });
  const listening = new Promise<void>((resolve, reject) => {
    server.once('error', (cause) => reject(new HostError('HOST_RESOURCES', `cannot listen on ${path}`, { cause })));
    server.listen({ path }, resolve);
  });
  const close = (): void => {
    taken?.destroy();
    server.close();
  };
  return { listening, socket, close };
}

async function watchMigration(vm: QemuVm, qmp: QmpClient, control: TaskControl): Promise<void> {
  const end = Date.now() + vm.host.timing.saveMs;
  for (;;) {
    const info = await qmp.execute('query-migrate');
    if (info.status === 'completed') return;
    if (info.status === 'failed' || info.status === 'cancelled') {
      throw new HostError('VM_REFUSED', `QEMU did not save ${vm.id}: ${info['error-desc'] ?? info.status}`);
    }
    if (control.signal.aborted) throw new HostError('TASK_CANCELLED', `the save of ${vm.id} was cancelled`);
    if (end < Date.now())
      throw new HostError('HOST_TIMEOUT', `the memory of ${vm.id} was not saved within ${vm.host.timing.saveMs} ms`);
    const { ram } = info;
    if (ram !== undefined && 0 < ram.total) control.progress(1 - ram.remaining / ram.total, 'writing memory');
    await delay(POLL_MS);
  }
}

export async function discardSaved(vm: QemuVm): Promise<void> {
  const definition = vm.known('discard the memory of');
  if (vm.state.state === 'stopped') return;
  if (vm.state.state !== 'saved') throw vm.wrongState('discard the memory of');
  const { savedSpec: _, ...rest } = definition;
  const state = { state: 'stopped', reason: 'requested' } as const;
  await vm.saveDefinition({ ...rest, rest: { state, since: vm.host.now() } });
  await rm(vm.paths.savedMemory, { force: true });
  vm.become(state);
}
