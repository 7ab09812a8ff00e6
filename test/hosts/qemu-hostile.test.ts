// The QEMU driver when things go wrong: hung, killed, damaged, refused. Every case ends with an error that has a code, and
// the scratch folder's check finds no process, socket, file or descriptor left.
import { spawn } from 'node:child_process';
import { mkdir, readFile, rmdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type HostDriver, type VmObservation, vmId, vmSpec } from '@oriel/hosts';
import { waitUntil } from '@oriel/hosts/contract';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { bootsOnDisk, guestSays, type NbdServer, processesWith, run, Scratch } from './harness.ts';

const id = vmId('one');
const quick = { quitMs: 300, commandMs: 300, connectMs: 300, startMs: 8_000, shotMs: 300 } as const;
let scratch: Scratch;
let disk: NbdServer;
let driver: HostDriver;

beforeEach(async () => {
  scratch = await Scratch.create();
  disk = await scratch.toyDisk('one');
  driver = scratch.driver({ timing: quick });
  await driver.connect();
});
afterEach(async () => {
  await driver.close();
  driver = scratch.driver({ timing: quick });
  await driver.connect();
  try {
    await scratch.removeAll(driver);
  } finally {
    await driver.close();
    await scratch.close(); // Kills what is left, then fails for it.
  }
});

const define = (): Promise<unknown> => driver.apply(vmSpec(scratch.bootable(id, disk))).done;
const one = async (): Promise<VmObservation> => (await driver.list())[0] as VmObservation;
const qemu = (): number => {
  const found = processesWith(scratch.folder).filter(({ words }) => words.includes('qemu-system'));
  expect(found.length, 'QEMU processes').toBe(1);
  return found[0]?.pid ?? -1;
};
async function start(): Promise<void> {
  await define();
  await driver.power(id, 'start').done;
}

describe('QEMU', () => {
  test('killed: the VM died, with a reason, and starts again', async () => {
    await start();
    process.kill(qemu(), 'SIGKILL');
    expect(await waitUntil(async () => (await one()).state.state === 'stopped')).toBe(true);
    expect((await one()).state).toMatchObject({ reason: 'died' });
    await driver.power(id, 'start').done;
    expect((await one()).boots).toBe(2);
  });

  test('killed while nobody looked: found dead, not running, and swept up', async () => {
    await start();
    const pid = qemu();
    await driver.close();
    process.kill(pid, 'SIGKILL');
    driver = scratch.driver();
    await driver.connect();
    expect((await one()).state).toMatchObject({ state: 'stopped', reason: 'died' });
  });

  test('powered off by its guest while nobody looked: not called dead', async () => {
    await start();
    await guestSays(driver, id, 'oriel-toy boot 1');
    await driver.close();
    const serial = connect({ path: join(scratch.runDir, id, 'ser') }).on('error', () => undefined);
    serial.write('\u0010'); // ctrl-p, typed on its console by nobody of ours
    await waitUntil(async () => processesWith(scratch.folder).every(({ words }) => !words.includes('qemu-system')));
    serial.destroy();
    driver = scratch.driver();
    await driver.connect();
    expect((await one()).state).toEqual({ state: 'stopped', reason: 'guest' });
  });

  test('killed at any moment of its start: an error with a code, nothing left', async () => {
    await define();
    const depth = Number(process.env['ORIEL_TEST_DEPTH'] ?? 1);
    for (let cut = 0; cut < 6 * depth; cut++) {
      const starting = driver.power(id, 'start').done.then(
        () => undefined,
        (error: { code: string }) => error.code,
      );
      await delay((cut * 20) / depth);
      for (const { pid, words } of processesWith(scratch.folder))
        if (words.includes('qemu-system')) process.kill(pid, 'SIGKILL');
      const code = await starting;
      if (code === undefined) await waitUntil(async () => (await one()).state.state !== 'running', 500);
      else expect(['VM_START_FAILED', 'HOST_UNREACHABLE', 'VM_DIED', 'VM_STATE']).toContain(code);
      if ((await one()).state.state === 'running') await driver.power(id, 'kill').done;
      expect((await one()).state.state).toBe('stopped');
    }
  });

  test('hung: every verb ends with HOST_TIMEOUT, kill still kills, other VMs do not notice', async () => {
    await start();
    const pid = qemu();
    process.kill(pid, 'SIGSTOP');
    await expect(driver.power(id, 'pause').done).rejects.toMatchObject({ code: 'HOST_TIMEOUT' });
    await expect(driver.screen?.shot(id)).rejects.toMatchObject({ code: 'HOST_TIMEOUT' });
    expect((await driver.metrics()).length).toBe(1);
    await driver.power(id, 'kill').done;
    expect((await one()).state).toMatchObject({ state: 'stopped', reason: 'forced' });
  });

  test('hung when a new driver comes: shown as broken with the reason, and can be killed', async () => {
    await start();
    process.kill(qemu(), 'SIGSTOP');
    await driver.close();
    driver = scratch.driver({ timing: quick });
    await driver.connect();
    expect((await one()).state).toMatchObject({ state: 'broken', code: 'HOST_TIMEOUT' });
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'VM_BROKEN' });
    await driver.power(id, 'kill').done;
    expect((await one()).state.state).toBe('stopped');
  });

  test('hung when a new driver comes, and well again later: taken over then', async () => {
    await start();
    const pid = qemu();
    process.kill(pid, 'SIGSTOP');
    await driver.close();
    driver = scratch.driver({ timing: { ...quick, regainMs: 50 } });
    await driver.connect();
    expect((await one()).state.state).toBe('broken');
    process.kill(pid, 'SIGCONT');
    expect(await waitUntil(async () => (await one()).state.state === 'running')).toBe(true);
    expect(qemu()).toBe(pid);
    await driver.power(id, 'pause').done;
  });
});

describe('a second copy', () => {
  test('is refused by the kernel: QEMU with the same words ends before it touches the first', async () => {
    await start();
    const words = (await readFile(`/proc/${qemu()}/cmdline`, 'utf8')).split('\0').slice(0, -1);
    expect(() => run(words[0] as string, ...words.slice(1))).toThrow(/pid file|lock/i);
    expect((await driver.screen?.shot(id))?.png.byteLength).toBeGreaterThan(0);
  });

  test('is not started when the records are lost: the pid file is enough to find the first', async () => {
    await start();
    const pid = qemu();
    await driver.close();
    await writeFile(join(scratch.runDir, id, 'process.json'), '{"version":1,');
    driver = scratch.driver();
    await driver.connect();
    expect((await one()).state).toEqual({ state: 'running' });
    expect(qemu()).toBe(pid);
  });

  test('of the driver is refused: one per run folder', async () => {
    await expect(scratch.driver().connect()).rejects.toMatchObject({ code: 'HOST_UNREACHABLE' });
  });
});

describe('a start that cannot be', () => {
  test.for([
    {
      it: 'a disk service that is not there',
      change: { disks: [{ id: 'system', uri: 'nbd+unix:///x?socket=/tmp/oh-none' }] },
      code: 'DISK_UNREACHABLE',
    },
    {
      it: 'a CD image that is not there',
      change: { cds: [{ id: 'cd', uri: 'file:///tmp/oh-none.iso' }] },
      code: 'VM_START_FAILED',
    },
    {
      it: 'a bridge that is not there',
      change: { nics: [{ id: 'n', kind: 'bridge' as const, bridge: 'oh-none' }] },
      code: 'SPEC_UNSUPPORTED',
    },
  ])('$it: $code, and the VM stays defined', async ({ change, code }) => {
    const attempt = async (): Promise<void> => {
      await driver.apply(vmSpec({ ...scratch.bootable(id, disk), ...change })).done;
      await driver.power(id, 'start').done;
    };
    await expect(attempt()).rejects.toMatchObject({ code });
    if (code !== 'SPEC_UNSUPPORTED')
      expect((await one()).state).toMatchObject({ state: 'stopped', reason: 'start-failed' });
  });

  test('an export that the disk service does not have: DISK_UNREACHABLE', async () => {
    const uri = disk.uri.replace('///one', '///other');
    await driver.apply(vmSpec({ ...scratch.bootable(id, disk), disks: [{ id: 'system', uri }] })).done;
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'DISK_UNREACHABLE' });
  });

  test('a machine type that this QEMU does not have: SPEC_UNSUPPORTED', async () => {
    await define();
    await driver.close();
    const path = join(scratch.runDir, id, 'vm.json');
    await writeFile(path, (await readFile(path, 'utf8')).replace(/pc-q35-[0-9.]+/, 'pc-q35-99.9'));
    driver = scratch.driver();
    await driver.connect();
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'SPEC_UNSUPPORTED' });
  });

  test('more memory than is free: HOST_RESOURCES', async () => {
    const memoryMiB = driver.caps.maxMemoryMiB;
    await driver.apply(vmSpec({ ...scratch.bootable(id, disk), memoryMiB })).done;
    await expect(driver.power(id, 'start').done).rejects.toMatchObject({ code: 'HOST_RESOURCES' });
  });

  test('a QEMU that is not installed: HOST_UNREACHABLE that says so', async () => {
    const other = scratch.driver({ binary: '/usr/bin/qemu-none', runDir: join(scratch.folder, 'other') });
    await expect(other.connect()).rejects.toMatchObject({
      code: 'HOST_UNREACHABLE',
      message: expect.stringContaining('installed'),
    });
    await other.close();
  });
});

test('a disk that fails pauses the VM and says which, and resume goes on when it is back', async () => {
  await driver.close();
  driver = scratch.driver({ reconnectDelayS: 1 });
  await driver.connect();
  await start();
  await guestSays(driver, id, 'oriel-toy boot 1');
  await disk.stop();
  await driver.screen?.keys(id, [['ctrl', 'w']]);
  expect(await waitUntil(async () => (await one()).state.state === 'paused')).toBe(true);
  expect((await one()).state).toMatchObject({
    reason: { kind: 'io-error', device: 'system', operation: 'write', isOutOfSpace: false },
  });
  await scratch.serve('one', disk.image);
  // QEMU dials again by itself, so the first resume may come too early and pause again.
  const isWriting = waitUntil(async () => {
    await driver.power(id, 'resume').done;
    return Buffer.from((await driver.logs?.read(id, 'serial')) ?? []).includes('oriel-toy wrote 16');
  });
  expect(await isWriting).toBe(true);
});

test('sockets have mode 0600 and their folder 0700', async () => {
  await start();
  const mode = async (...path: string[]): Promise<string> =>
    ((await stat(join(scratch.runDir, id, ...path))).mode & 0o777).toString(8);
  expect(await mode()).toBe('700');
  expect(await Promise.all(['qmp', 'vnc', 'ser'].map((name) => mode(name)))).toEqual(['600', '600', '600']);
});

test('OUTLIVE: a stop that is cut off by the end of its driver forces nothing; the next driver goes on with it', async () => {
  const image = join(scratch.folder, 'deaf.raw');
  await writeFile(image, Buffer.alloc(1 << 20)); // Nothing boots from it, so nothing answers the button.
  const deaf = await scratch.serve('deaf', image);
  await driver.apply(vmSpec({ ...scratch.bootable(id, disk), disks: [{ id: 'none', uri: deaf.uri }] })).done;
  await driver.power(id, 'start').done;
  const pid = qemu();
  const stop = driver.power(id, 'stop', { graceMs: 600_000 });
  await expect.poll(() => stop.status()).toMatchObject({ step: 'waiting for the guest' });
  await driver.close();
  await expect(stop.done).rejects.toMatchObject({ code: 'HOST_CLOSED' });
  expect(qemu()).toBe(pid);
  driver = scratch.driver({ timing: quick });
  await driver.connect();
  const taken = driver.tasks().find((task) => task.id === stop.id);
  expect(taken?.status().state).toBe('running');
  await driver.power(id, 'kill').done;
  await taken?.done;
  expect((await one()).state.state).toBe('stopped');
});

test('OUTLIVE: the process that drives is killed while the guest writes; the next one finds the same guest, writing', async () => {
  await define();
  await driver.close();
  const dist = fileURLToPath(new URL('../../hosts/dist/index.js', import.meta.url));
  const script = `
    const { qemuDriver, vmId } = await import(${JSON.stringify(dist)});
    const driver = qemuDriver({ runDir: ${JSON.stringify(scratch.runDir)}, accelerator: 'tcg' });
    await driver.connect();
    await driver.power(vmId('one'), 'start').done;
    console.log('started');
    setInterval(() => undefined, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout.once('data', resolve));
  const pid = qemu();
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
  driver = scratch.driver();
  await driver.connect();
  expect(qemu()).toBe(pid);
  expect(await one()).toMatchObject({ boots: 1, state: { state: 'running' } });
  await guestSays(driver, id, 'oriel-toy boot 1');
  await driver.screen?.keys(id, [['ctrl', 'w']]);
  await guestSays(driver, id, 'oriel-toy wrote 16');
  expect(await bootsOnDisk(disk.image)).toBe(1);
});

test('two hundred folders, half of them broken in every way: all are listed, none harms another, all can be removed', async () => {
  await driver.close();
  const damage = [
    '',
    '{',
    '[]',
    '{"version":3}',
    '{"version":1}',
    '{"version":1,"spec":{"id":"../x"},"machine":"q","uuid":"u","boots":0}',
    '\u0000\u0001',
  ];
  const good = (name: string): string =>
    JSON.stringify({
      version: 2,
      spec: vmSpec(scratch.bootable(name, disk)),
      machine: 'pc-q35-7.2',
      uuid: '6f1c5c4e-0000-4000-8000-000000000001',
      ports: {},
      boots: 0,
      rest: { state: { state: 'stopped', reason: 'requested' }, since: 1 },
    });
  for (let at = 0; at < 200; at++) {
    const name = `vm-${at}`;
    await mkdir(join(scratch.runDir, name), { recursive: true });
    const words = at % 2 === 0 ? good(name) : damage[((at - 1) / 2) % damage.length];
    await writeFile(join(scratch.runDir, name, 'vm.json'), words as string);
    if (at % 8 === 0)
      await writeFile(
        join(scratch.runDir, name, 'process.json'),
        '{"version":1,"ref":{"pid":1,"startTicks":5,"bootId":"x"},"spec":{"id":"a"}}',
      );
    if (at % 6 === 0) await writeFile(join(scratch.runDir, name, 'pid'), `${process.pid}\n`);
    if (at % 10 === 0) await writeFile(join(scratch.runDir, name, 'task.json'), 'nonsense');
  }
  const stranger = join(scratch.runDir, 'Not A VM');
  await mkdir(stranger);
  driver = scratch.driver();
  await driver.connect();
  const vms = await driver.list();
  expect(vms.length).toBe(200);
  const broken = vms.filter((vm) => vm.state.state === 'broken');
  expect(broken.length).toBe(100);
  expect(broken.every((vm) => vm.state.state === 'broken' && vm.state.code === 'VM_BROKEN')).toBe(true);
  await expect(driver.power(broken[0]?.id as never, 'start').done).rejects.toMatchObject({ code: 'VM_BROKEN' });
  // A broken one is mended by applying its spec again.
  const mended = broken[1] as VmObservation;
  await driver.apply(vmSpec(scratch.bootable(mended.id, disk))).done;
  expect((await driver.list()).find((vm) => vm.id === mended.id)?.state.state).toBe('stopped');
  await rmdir(stranger); // Untouched: it is not the driver's.
});
