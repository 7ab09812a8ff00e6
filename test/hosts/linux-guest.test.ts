// The Linux test guest is built from Debian packages, boots, and its agent does what the agent facet promises. Where apt
// has no packages to give (no network), the build says so and there is nothing to test here.
import { copyFile, truncate } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { buildLinuxGuest, deviceId, type HostDriver, HostError, vmId, vmSpec } from '@oriel/hosts';
import { waitUntil } from '@oriel/hosts/contract';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { whileFrozen } from '../../gateway/src/compute/checkpoints/consistency.ts';
import { guestSays, type NbdServer, Scratch, TOY_DISK_BYTES } from './harness.ts';

const id = vmId('linux');
const cacheDir = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'oriel', 'guests');
const image = await buildLinuxGuest(cacheDir).catch((error: HostError) => {
  expect(error.message).toMatch(/^cannot build the Linux guest: .+/);
  console.warn(error.message);
  return undefined;
});

describe.runIf(image !== undefined)('the agent of the Linux guest', () => {
  let scratch: Scratch;
  let disk: NbdServer;
  let driver: HostDriver;
  let agent: NonNullable<HostDriver['agent']>;

  beforeAll(async () => {
    scratch = await Scratch.create();
    await copyFile(image as string, join(scratch.folder, 'linux.raw'));
    disk = await scratch.serve('linux', join(scratch.folder, 'linux.raw'));
    driver = scratch.driver();
    await driver.connect();
    agent = driver.agent as typeof agent;
    const nics = [{ id: 'n0', kind: 'user' }] as const;
    await driver.apply(vmSpec({ id, memoryMiB: 128, disks: [{ id: 'system', uri: disk.uri }], nics })).done;
    await driver.power(id, 'start').done;
    const isUp = await waitUntil(async () => (await driver.list())[0]?.isAgentConnected === true, 55_000);
    expect(isUp).toBe(true);
  }, 60_000);
  afterAll(async () => {
    const stopped = await driver.power(id, 'stop', { graceMs: 20_000 }).done;
    expect(stopped.state).toMatchObject({ state: 'stopped', reason: 'requested' }); // By its power button.
    await scratch.removeAll(driver);
    await driver.close();
    await scratch.close();
  }, 60_000);

  test('ping, info, addresses', async () => {
    await agent.ping(id, { timeoutMs: 20_000 });
    const info = await agent.info(id);
    expect(info.version).toMatch(/^\d+\.\d+/);
    expect(info.commands).toContain('guest-fsfreeze-freeze');
    expect(
      await waitUntil(async () => (await agent.addresses(id)).some(({ address }) => address.startsWith('10.0.2.'))),
    ).toBe(true);
  });

  test('exec: input, output, exit code; a program that is not there is AGENT_REFUSED', async () => {
    const result = await agent.exec(id, {
      path: '/bin/sh',
      args: ['-c', 'cat; echo err >&2; exit 3'],
      input: Buffer.from('in'),
    });
    expect(Buffer.from(result.stdout).toString()).toBe('in');
    expect(Buffer.from(result.stderr).toString()).toBe('err\n');
    expect(result.exitCode).toBe(3);
    await expect(agent.exec(id, { path: '/bin/none' })).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
    await expect(agent.exec(id, { path: '/bin/sleep', args: ['60'] }, { timeoutMs: 200 })).rejects.toMatchObject({
      code: 'AGENT_TIMEOUT',
    });
  });

  test('files go in and come out the same', async () => {
    const data = Buffer.from(Array.from({ length: 200_000 }, (_, at) => at % 251));
    await agent.writeFile(id, '/data/file', data);
    expect(Buffer.from(await agent.readFile(id, '/data/file')).equals(data)).toBe(true);
    await expect(agent.readFile(id, '/data/none')).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
  });

  test('the clock is set', async () => {
    await agent.setTime(id, Date.UTC(2030, 0, 1));
    const { stdout } = await agent.exec(id, { path: '/bin/date', args: ['+%Y'] });
    expect(Buffer.from(stdout).toString()).toBe('2030\n');
  });

  test('frozen means no writes; thawed means they go on', async () => {
    const freeze = await agent.freeze(id, { guardMs: 20_000 });
    expect(freeze.fileSystems).toBe(1);
    await expect(agent.exec(id, { path: '/bin/true' })).rejects.toBeInstanceOf(HostError);
    await freeze.thaw();
    expect((await agent.exec(id, { path: '/bin/touch', args: ['/data/thawed'] })).exitCode).toBe(0);
  });

  test('a checkpoint of it is worth a file system: while its disks are taken the guest is frozen, and after that it is not', async () => {
    const touch = (name: string) => agent.exec(id, { path: '/bin/touch', args: [`/data/${name}`] });
    const [seen] = await driver.list();
    let isTaken = false;
    const worth = await whileFrozen(id, seen, agent, async () => {
      await expect(touch('meanwhile')).rejects.toMatchObject({ code: 'AGENT_REFUSED' });
      isTaken = true;
    });
    expect({ isTaken, ...worth }).toEqual({
      isTaken: true,
      consistency: 'file-system',
      reason: 'the guest froze 1 file system',
    });
    expect((await touch('after')).exitCode).toBe(0);
    const failed = whileFrozen(id, seen, agent, () => Promise.reject(new Error('no space')));
    await expect(failed).rejects.toThrow('no space');
    expect((await touch('after a failure')).exitCode).toBe(0);
  });

  test('the guard thaws a freeze that nobody ends, and says that it is lost', async () => {
    const freeze = await agent.freeze(id, { guardMs: 1_000 });
    await new Promise((resolve) => freeze.lost.addEventListener('abort', resolve));
    const isThawed = waitUntil(async () => {
      const result = await agent.exec(id, { path: '/bin/touch', args: ['/data/guarded'] }).catch(() => undefined);
      return result?.exitCode === 0;
    });
    expect(await isThawed).toBe(true); // Before anybody calls thaw.
    await expect(freeze.thaw()).rejects.toMatchObject({ code: 'FREEZE_LOST' });
  });

  test('a freeze whose driver is gone is thawed by the next one', async () => {
    await agent.freeze(id, { guardMs: 60_000 });
    await driver.close();
    driver = scratch.driver();
    await driver.connect();
    agent = driver.agent as typeof agent;
    const isThawed = waitUntil(async () => {
      const result = await agent
        .exec(id, { path: '/bin/touch', args: ['/data/next'] }, { timeoutMs: 2_000 })
        .catch(() => undefined);
      return result?.exitCode === 0;
    });
    expect(await isThawed).toBe(true);
  });

  test('a disk comes and goes while it runs, with the guest letting go of it', async () => {
    const other = await scratch.toyDisk('extra');
    await driver.block?.attach(id, { id: 'extra', uri: other.uri }).done;
    const isThere = async (): Promise<boolean> =>
      (await agent.exec(id, { path: '/bin/test', args: ['-b', '/dev/vdb'] })).exitCode === 0;
    expect(await waitUntil(isThere)).toBe(true);
    await driver.block?.detach(id, deviceId('extra')).done;
    expect(await isThere()).toBe(false);
  });

  test('a disk that has grown: the guest is told its size while it runs', async () => {
    const before = await scratch.toyDisk('grows');
    await driver.block?.attach(id, { id: 'grows', uri: before.uri }).done;
    const bytesSeen = async (): Promise<number> => {
      const seen = await agent.exec(id, { path: '/bin/cat', args: ['/sys/block/vdb/size'] });
      return 512 * Number(Buffer.from(seen.stdout).toString());
    };
    expect(await waitUntil(async () => (await bytesSeen()) === TOY_DISK_BYTES)).toBe(true);
    await before.stop(); // qemu-nbd looks at the size of its file once.
    await truncate(before.image, 2 * TOY_DISK_BYTES);
    const after = await scratch.serve('grows', before.image);
    expect(after.uri).toBe(before.uri);
    await driver.block?.resize(id, deviceId('grows'), 2 * TOY_DISK_BYTES).done;
    expect(await waitUntil(async () => (await bytesSeen()) === 2 * TOY_DISK_BYTES)).toBe(true);
    const larger = driver.block?.resize(id, deviceId('grows'), 4 * TOY_DISK_BYTES).done;
    await expect(larger).rejects.toMatchObject({ code: 'VM_REFUSED' });
    await driver.block?.detach(id, deviceId('grows')).done;
  });

  test('its console takes commands', async () => {
    const console = await (await driver.display(id, { kind: 'serial' })).dial();
    let said = '';
    console.on('data', (chunk: Buffer) => {
      said += chunk.toString();
    });
    console.write('echo $((6*7))-works\n');
    await expect.poll(() => said, { timeout: 20_000 }).toContain('42-works');
    console.destroy();
    await guestSays(driver, id, '42-works');
  });
});
