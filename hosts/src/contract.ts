/**
 * The contract of HostDriver as a test suite. A driver is correct when `hostDriverContract(name, open)` passes against it:
 * its test file is one call. What a driver lacks by its capabilities is not asked of it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FacetName, HostDriver, HostEvent, VmObservation } from './driver.ts';
import { HostError } from './errors.ts';
import { type Cursor, deviceId, type VmId, vmId } from './ids.ts';
import { type VmSpecInput, vmSpec } from './spec.ts';

/** A host to try a driver on. Opened anew for every test, so that tests cannot lean on each other. */
export interface ContractHost {
  /** Not connected yet. */
  driver(): HostDriver;
  /** A small VM whose disk, `system`, boots and whose guest powers off when it is asked to. */
  bootable(id: string): VmSpecInput;
  /** A URI that a disk can be attached from or swapped to; the same bytes as the boot disk. */
  readonly otherDisk: string;
  /** Resolves when the guest is so far that it answers the power button. */
  booted(driver: HostDriver, id: VmId): Promise<void>;
  /** Ends everything, whatever state it is in. Throws where a process, socket or file is left. */
  close(): Promise<void>;
}

const FACETS: readonly FacetName[] = ['block', 'agent', 'screen', 'logs', 'ram', 'migration'];

export function hostDriverContract(name: string, open: () => Promise<ContractHost>): void {
  describe(`${name} keeps the HostDriver contract`, () => {
    let host: ContractHost;
    let driver: HostDriver;
    const id = vmId('one');

    beforeEach(async () => {
      host = await open();
      driver = host.driver();
    });
    afterEach(async () => {
      await driver.close();
      await host.close();
    });

    const define = async (): Promise<void> => {
      await driver.connect();
      await driver.apply(vmSpec(host.bootable(id))).done;
    };
    const start = async (): Promise<void> => {
      await define();
      await driver.power(id, 'start').done;
    };
    const one = async (): Promise<VmObservation> => {
      const found = (await driver.list()).find((vm) => vm.id === id);
      if (found === undefined) throw new Error(`${id} is not listed`);
      return found;
    };
    const reopen = async (): Promise<void> => {
      await driver.close();
      driver = host.driver();
      await driver.connect();
    };
    const fails = (promise: Promise<unknown>, code: string): Promise<void> =>
      expect(promise).rejects.toSatisfy(
        (error) => error instanceof HostError && error.code === code,
        `fails with ${code}`,
      );

    describe('connection', () => {
      test('nothing works before connect and nothing after close, each with its code', async () => {
        await fails(driver.list(), 'HOST_NOT_CONNECTED');
        expect(() => driver.caps).toThrow(expect.objectContaining({ code: 'HOST_NOT_CONNECTED' }));
        await driver.connect();
        await driver.close();
        await fails(driver.list(), 'HOST_CLOSED');
      });

      test('connect tells what the host is, and why it runs guests the way it does', async () => {
        const info = await driver.connect();
        expect(info.kind).toBe(driver.kind);
        expect(info.cpus).toBeGreaterThan(0);
        expect(info.memoryMiB).toBeGreaterThan(0);
        expect(info.accelerator.reason).not.toBe('');
      });

      test('the facets are those that the capabilities name', async () => {
        await driver.connect();
        const present = FACETS.filter((facet) => driver[facet] !== undefined);
        expect(present.toSorted()).toEqual(driver.caps.facets.toSorted());
      });
    });

    describe('an unknown VM', () => {
      test('is VM_NOT_FOUND for every verb, and left out of the metrics', async () => {
        await driver.connect();
        const ghost = vmId('ghost');
        await fails(driver.power(ghost, 'start').done, 'VM_NOT_FOUND');
        await fails(driver.remove(ghost).done, 'VM_NOT_FOUND');
        await fails(driver.display(ghost, { kind: 'rfb' }), 'VM_NOT_FOUND');
        expect(await driver.metrics([ghost])).toEqual([]);
      });
    });

    describe('apply', () => {
      test('defines a VM that does not run yet', async () => {
        await define();
        expect(await one()).toMatchObject({ id, boots: 0, state: { state: 'stopped', reason: 'never-started' } });
      });

      test('the same spec twice is no change', async () => {
        await define();
        const again = await driver.apply(vmSpec(host.bootable(id))).done;
        expect(again.changes).toEqual([]);
      });

      test('a dry run says what would change and changes nothing', async () => {
        await driver.connect();
        const plan = await driver.apply(vmSpec(host.bootable(id)), { isDryRun: true }).done;
        expect(plan.changes).toEqual([{ what: 'vm', change: 'add', effect: 'next-start' }]);
        expect(await driver.list()).toEqual([]);
      });

      test('an older generation, or another than expected, is SPEC_STALE', async () => {
        await driver.connect();
        await driver.apply(vmSpec({ ...host.bootable(id), generation: 5 })).done;
        await fails(driver.apply(vmSpec({ ...host.bootable(id), generation: 4 })).done, 'SPEC_STALE');
        await fails(
          driver.apply(vmSpec({ ...host.bootable(id), generation: 6 }), { ifGeneration: 4 }).done,
          'SPEC_STALE',
        );
        await driver.apply(vmSpec({ ...host.bootable(id), generation: 6 }), { ifGeneration: 5 }).done;
        expect((await one()).generation).toBe(6);
      });

      test('more than the host has is SPEC_UNSUPPORTED, and nothing is defined', async () => {
        await driver.connect();
        const memoryMiB = driver.caps.maxMemoryMiB + 1;
        await fails(driver.apply(vmSpec({ ...host.bootable(id), memoryMiB })).done, 'SPEC_UNSUPPORTED');
        expect(await driver.list()).toEqual([]);
      });

      test('a name may hold anything that can be printed', async () => {
        await driver.connect();
        const name = `-x; $(touch /tmp/no) "q" 'a' \`b\`, c=d \\ | & é 漢`;
        await driver.apply(vmSpec({ ...host.bootable(id), name })).done;
        await driver.power(id, 'start').done;
        expect(await one()).toMatchObject({ name, state: { state: 'running' } });
      });

      test('what a running VM cannot take waits for its next start and is said', async () => {
        await start();
        const bigger = vmSpec({ ...host.bootable(id), generation: 2, memoryMiB: 96 });
        const { changes } = await driver.apply(bigger).done;
        expect(changes).toEqual([{ what: 'memoryMiB', change: 'change', effect: 'next-start' }]);
        expect((await one()).pendingRestart).toEqual(['memoryMiB']);
        await driver.power(id, 'kill').done;
        await driver.power(id, 'start').done;
        expect((await one()).pendingRestart).toEqual([]);
      });
    });

    describe('power', () => {
      test('start, pause, resume, reset, kill: each does what it says, twice is not an error', async () => {
        await start();
        expect(await one()).toMatchObject({ boots: 1, state: { state: 'running' } });
        await driver.power(id, 'pause').done;
        await driver.power(id, 'pause').done;
        expect((await one()).state).toEqual({ state: 'paused', reason: { kind: 'requested' } });
        await driver.power(id, 'resume').done;
        await driver.power(id, 'resume').done;
        expect((await one()).state).toEqual({ state: 'running' });
        await driver.power(id, 'reset').done;
        await driver.power(id, 'kill').done;
        await driver.power(id, 'kill').done;
        expect((await one()).state).toMatchObject({ state: 'stopped', reason: 'forced' });
      });

      test('a second start is VM_STATE', async () => {
        await start();
        await fails(driver.power(id, 'start').done, 'VM_STATE');
      });

      test('stop asks the guest, which powers off', async () => {
        await start();
        await host.booted(driver, id);
        const stopped = await driver.power(id, 'stop', { graceMs: 20_000 }).done;
        expect(stopped.state).toMatchObject({ state: 'stopped', reason: 'requested' });
      });

      test('start may leave the guest paused before its first instruction', async () => {
        await define();
        const paused = await driver.power(id, 'start', { isPaused: true }).done;
        expect(paused.state).toEqual({ state: 'paused', reason: { kind: 'requested' } });
      });

      test('a verb on a VM that is held by another is VM_BUSY', async () => {
        await define();
        const first = driver.power(id, 'start');
        await fails(driver.power(id, 'start').done, 'VM_BUSY');
        await first.done;
      });

      test('save, then start: the guest goes on and has not booted again', async () => {
        await driver.connect();
        if (!driver.caps.canSave) return;
        await driver.apply(vmSpec(host.bootable(id))).done;
        await driver.power(id, 'start').done;
        await host.booted(driver, id);
        expect((await driver.power(id, 'save').done).state).toMatchObject({ state: 'saved' });
        const resumed = await driver.power(id, 'start').done;
        expect(resumed).toMatchObject({ boots: 1, state: { state: 'running' } });
      });

      test('a saved memory can be thrown away', async () => {
        await driver.connect();
        if (!driver.caps.canSave) return;
        await driver.apply(vmSpec(host.bootable(id))).done;
        await driver.power(id, 'start').done;
        await driver.power(id, 'save').done;
        await driver.power(id, 'discard').done;
        expect(await driver.power(id, 'start').done).toMatchObject({ boots: 2, state: { state: 'running' } });
      });
    });

    describe('remove', () => {
      test('a VM that runs is not removed; one that is stopped is gone', async () => {
        await start();
        await fails(driver.remove(id).done, 'VM_STATE');
        await driver.power(id, 'kill').done;
        await driver.remove(id).done;
        expect(await driver.list()).toEqual([]);
      });
    });

    describe('tasks', () => {
      test('a task is listed with its verb and its outcome', async () => {
        await define();
        const task = driver.power(id, 'start');
        expect(task).toMatchObject({ kind: 'start', vm: id });
        await task.done;
        expect(task.status()).toMatchObject({ state: 'done', progress: 1, error: null });
        expect(driver.tasks().map((known) => known.id)).toContain(task.id);
      });

      test('a stop that is cancelled leaves the VM running', async () => {
        await start();
        const stop = driver.power(id, 'stop', { graceMs: 20_000 }); // The guest is still in its firmware.
        await stop.cancel();
        // It may have been too fast; then it is done and the VM is off.
        if (stop.status().state === 'cancelled') expect((await one()).state.state).not.toBe('stopped');
        await stop.done.catch(() => undefined);
      });
    });

    describe('events', () => {
      test('watch starts with a resync and then tells every change in order', async () => {
        await driver.connect();
        const seen = collect(driver, undefined);
        await seen.until((event) => event.kind === 'resync');
        await driver.apply(vmSpec(host.bootable(id))).done;
        await driver.power(id, 'start').done;
        await seen.until((event) => event.kind === 'state' && event.observation.state.state === 'running');
        await driver.power(id, 'kill').done;
        await driver.remove(id).done;
        await seen.until((event) => event.kind === 'removed');
        const cursors = seen.events.map((event) => event.cursor);
        expect(cursors).toEqual(cursors.toSorted((a, b) => a - b));
        expect(new Set(cursors).size).toBe(cursors.length);
        await seen.stop();
      });

      test('a watcher that comes back with its cursor misses nothing and sees nothing twice', async () => {
        await driver.connect();
        const first = collect(driver, undefined);
        const resync = await first.until((event) => event.kind === 'resync');
        await first.stop();
        await driver.apply(vmSpec(host.bootable(id))).done;
        const second = collect(driver, resync.cursor);
        const event = await second.until((one) => one.kind === 'state');
        expect(second.events.every((one) => one.kind !== 'resync')).toBe(true);
        expect(event).toMatchObject({ kind: 'state', vm: id });
        await second.stop();
      });

      test('a cursor from the future or from long ago starts over with a resync', async () => {
        await driver.connect();
        for (const since of [1, Number.MAX_SAFE_INTEGER]) {
          const watcher = collect(driver, since as Cursor);
          await watcher.until((event) => event.kind === 'resync');
          await watcher.stop();
        }
      });
    });

    describe('OUTLIVE', () => {
      test('a VM runs on when the driver is closed, and the next driver finds the same one', async () => {
        await start();
        const before = await one();
        await reopen();
        const after = await one();
        expect(after.state).toEqual({ state: 'running' });
        expect(after.boots).toBe(before.boots);
        expect(after.since).toBeLessThanOrEqual(before.since);
        await fails(driver.power(id, 'start').done, 'VM_STATE');
      });

      test('a stop under way goes on under its own id in the next driver', async () => {
        await start();
        await host.booted(driver, id);
        const stop = driver.power(id, 'stop', { graceMs: 30_000 });
        await waitUntil(async () => (await one()).state.state !== 'running');
        await reopen();
        const gone = await waitUntil(async () => (await one()).state.state === 'stopped');
        expect(gone).toBe(true);
        const known = driver.tasks().find((task) => task.id === stop.id);
        if (known !== undefined) expect(known.kind).toBe('stop');
      });
    });

    describe('display', () => {
      test('RFB greets, and several viewers may look at once', async () => {
        await start();
        const endpoint = await driver.display(id, { kind: 'rfb' });
        const [one, two] = await Promise.all([endpoint.dial(), endpoint.dial()]);
        expect(await firstBytes(one)).toMatch(/^RFB 003\.00/);
        expect(await firstBytes(two)).toMatch(/^RFB 003\.00/);
        one.destroy();
        two.destroy();
      });

      test('the serial console says what the guest says, to every viewer', async () => {
        await start();
        await host.booted(driver, id);
        const endpoint = await driver.display(id, { kind: 'serial' });
        const [one, two] = await Promise.all([endpoint.dial(), endpoint.dial()]);
        expect(await firstBytes(one)).not.toBe('');
        expect(await firstBytes(two)).not.toBe('');
        one.destroy();
        two.destroy();
      });

      test('an endpoint is of one run of the VM: after a restart it is DISPLAY_EXPIRED', async () => {
        await start();
        const endpoint = await driver.display(id, { kind: 'rfb' });
        await driver.power(id, 'kill').done;
        await fails(endpoint.dial(), 'DISPLAY_EXPIRED');
        await driver.power(id, 'start').done;
        await fails(endpoint.dial(), 'DISPLAY_EXPIRED');
      });

      test('its time is limited', async () => {
        await start();
        const endpoint = await driver.display(id, { kind: 'rfb', ttlMs: 1 });
        await waitUntil(async () => endpoint.expires < Date.now());
        await fails(endpoint.dial(), 'DISPLAY_EXPIRED');
      });

      test('a stopped VM has none (VM_STATE), and a kind it lacks is DISPLAY_UNSUPPORTED', async () => {
        await define();
        await fails(driver.display(id, { kind: 'rfb' }), 'VM_STATE');
        await driver.power(id, 'start').done;
        await fails(driver.display(id, { kind: 'ssh' }), 'DISPLAY_UNSUPPORTED');
      });
    });

    describe('metrics', () => {
      test('one call for all; VMs that do not run are left out', async () => {
        await start();
        await driver.apply(vmSpec(host.bootable('idle'))).done;
        const samples = await driver.metrics();
        expect(samples.map((sample) => sample.vm)).toEqual([id]);
        expect(samples[0]?.residentBytes).toBeGreaterThan(0);
      });
    });

    describe('block', () => {
      test('a disk is swapped under a VM that runs, and the spec follows', async () => {
        await start();
        const { block } = driver;
        if (block === undefined) return;
        const disk = deviceId('system');
        await block.swap(id, disk, host.otherDisk).done;
        expect((await one()).spec?.disks[0]?.uri).toBe(host.otherDisk);
        expect((await one()).pendingRestart).toEqual([]);
      });

      test('an unknown disk is DEVICE_NOT_FOUND', async () => {
        await start();
        if (driver.block === undefined) return;
        await fails(driver.block.swap(id, deviceId('nope'), host.otherDisk).done, 'DEVICE_NOT_FOUND');
        await fails(driver.block.resize(id, deviceId('nope'), 1 << 30).done, 'DEVICE_NOT_FOUND');
        await fails(driver.block.detach(id, deviceId('nope')).done, 'DEVICE_NOT_FOUND');
      });

      test('a disk is added while the VM runs', async () => {
        await start();
        const { block } = driver;
        if (block === undefined || !driver.caps.hotplug.includes('disk')) return;
        await block.attach(id, { id: 'data', uri: host.otherDisk, bus: 'virtio-blk', isReadOnly: true }).done;
        expect((await one()).spec?.disks.map((disk) => disk.id)).toEqual(['system', 'data']);
        expect((await one()).pendingRestart).toEqual([]);
      });
    });

    describe('screen', () => {
      test('a shot is a PNG with the size it says', async () => {
        await start();
        if (driver.screen === undefined) return;
        await host.booted(driver, id);
        const shot = await driver.screen.shot(id);
        const view = new DataView(shot.png.buffer, shot.png.byteOffset);
        expect(view.getUint32(0)).toBe(0x89504e47);
        expect([view.getUint32(16), view.getUint32(20)]).toEqual([shot.width, shot.height]);
      });

      test('a VM that does not run is VM_STATE', async () => {
        await define();
        if (driver.screen === undefined) return;
        await fails(driver.screen.shot(id), 'VM_STATE');
      });
    });
  });
}

interface Collector {
  readonly events: HostEvent[];
  until(wanted: (event: HostEvent) => boolean): Promise<HostEvent>;
  stop(): Promise<void>;
}

function collect(driver: HostDriver, since: Cursor | undefined): Collector {
  const events: HostEvent[] = [];
  const abort = new AbortController();
  const wakers = new Set<() => void>();
  const running = (async (): Promise<void> => {
    for await (const event of driver.watch(since, { signal: abort.signal })) {
      events.push(event);
      for (const wake of wakers) wake();
    }
  })();
  return {
    events,
    until: (wanted) =>
      new Promise((resolve) => {
        const look = (): void => {
          const event = events.find(wanted);
          if (event === undefined) return;
          wakers.delete(look);
          resolve(event);
        };
        wakers.add(look);
        look();
      }),
    stop: () => {
      abort.abort();
      return running;
    },
  };
}

async function firstBytes(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    stream.once('data', (chunk: Buffer) => resolve(chunk.toString('latin1')));
    stream.once('error', reject);
    stream.once('close', () => reject(new Error('the stream closed before its first byte')));
  });
}

/** Looks again until it holds: for what no event tells. */
export async function waitUntil(holds: () => Promise<boolean>, timeoutMs = 20_000): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (!(await holds())) {
    if (end < Date.now()) return false;
    await delay(10);
  }
  return true;
}
