import { describe, expect, test } from 'vitest';
import { type ContractHost, hostDriverContract } from '../contract.ts';
import { vmId } from '../ids.ts';
import { vmSpec } from '../spec.ts';
import { fakeDriver } from './fake-driver.ts';
import { FLEET, fakeFleet } from './fake-fleet.ts';
import { FakeHost } from './fake-host.ts';

const disk = 'nbd+unix:///one?socket=/run/disks';

async function openFake(): Promise<ContractHost> {
  const host = new FakeHost({ latencyMs: { start: 2, stop: 5, save: 2 } });
  return {
    driver: () => fakeDriver(host),
    bootable: (id) => ({ id, memoryMiB: 64, disks: [{ id: 'system', uri: disk }] }),
    otherDisk: 'nbd+unix:///two?socket=/run/disks',
    booted: async () => undefined,
    close: async () => {
      expect(host.jobs.size, 'verbs that nobody ended').toBe(0);
      expect(host.events.watchers, 'watchers that nobody stopped').toBe(0);
    },
  };
}

hostDriverContract('the fake', openFake);

describe('the fake fails on purpose', () => {
  const id = vmId('one');
  const spec = vmSpec({ id, memoryMiB: 64, disks: [{ id: 'system', uri: disk }] });

  test('with the code that was asked for, as often as was asked for, for the VM that was asked for', async () => {
    const host = new FakeHost();
    const driver = fakeDriver(host);
    await driver.connect();
    await driver.apply(spec).done;
    host.failNext({ call: 'start', code: 'HOST_RESOURCES', vm: id, times: 2 });
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'HOST_RESOURCES' });
    expect((await driver.list())[0]?.state).toMatchObject({ state: 'stopped', reason: 'start-failed' });
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'HOST_RESOURCES' });
    expect((await driver.power(id, 'start').done).state).toEqual({ state: 'running' });
    await driver.close();
  });

  test('an unplugged host is HOST_UNREACHABLE, its VMs run on', async () => {
    const host = new FakeHost();
    const driver = fakeDriver(host);
    await driver.connect();
    await driver.apply(spec).done;
    await driver.power(id, 'start').done;
    host.unplug();
    await expect(driver.list()).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' });
    host.plug();
    expect((await driver.list())[0]?.state).toEqual({ state: 'running' });
    await driver.close();
  });

  test('a crash is told with its reason', async () => {
    const host = new FakeHost();
    const driver = fakeDriver(host);
    await driver.connect();
    await driver.apply(spec).done;
    await driver.power(id, 'start').done;
    host.crash(id);
    expect((await driver.list())[0]?.state).toMatchObject({ state: 'stopped', reason: 'died' });
    await driver.close();
  });

  test('a slow verb is a task that can be watched and cancelled', async () => {
    const host = new FakeHost({ latencyMs: { start: 60_000 } });
    const driver = fakeDriver(host);
    await driver.connect();
    await driver.apply(spec).done;
    const start = driver.power(id, 'start');
    expect(start.status().state).toBe('running');
    await start.cancel();
    expect(start.status().state).toBe('cancelled');
    expect((await driver.list())[0]?.state.state).toBe('stopped');
    await driver.close();
  });
});

test('the fleet has 86 hosts and 1,224 VMs, and is the same every time', async () => {
  const [one, two] = [fakeFleet(), fakeFleet()];
  expect(one.length).toBe(FLEET.hosts);
  expect(one.reduce((sum, host) => sum + host.vms.size, 0)).toBe(FLEET.vms);
  const specs = (fleet: readonly FakeHost[]): unknown =>
    fleet.map((host) => Array.from(host.vms.values(), (vm) => vm.spec));
  expect(specs(one)).toEqual(specs(two));
});
