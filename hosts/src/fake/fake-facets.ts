/**
 * The block and agent facets of the fake: disks that come and go, a guest that answers and has a file system in a Map.
 */
import type { AgentFacet, BlockFacet, Freeze, Task } from '../driver.ts';
import { HostError } from '../errors.ts';
import type { VmId } from '../ids.ts';
import { type VmSpec, vmSpec } from '../spec.ts';
import type { FakeHost, FakeVm } from './fake-host.ts';

type RunTask = (kind: string, vm: VmId, work: () => Promise<void>) => Task<void>;

export function fakeBlock(host: FakeHost, run: RunTask): BlockFacet {
  const edit = (kind: string, id: VmId, change: (spec: VmSpec) => VmSpec, told: () => void): Task<void> =>
    run(kind, id, async () => {
      await host.enter('block', id);
      const vm = host.find(id);
      if (vm.running === undefined)
        throw new HostError('VM_STATE', `cannot ${kind} a disk of ${id}: it is ${vm.state.state}`);
      vm.running = change(vm.running);
      vm.spec = change(vm.spec);
      told();
    });
  const has = (spec: VmSpec, list: 'disks' | 'cds', device: string): void => {
    if (spec[list].every((one) => one.id !== device))
      throw new HostError('DEVICE_NOT_FOUND', `${spec.id} has no ${device}`);
  };
  return {
    swap: (id, disk, uri) =>
      edit(
        'swap',
        id,
        (spec) => {
          has(spec, 'disks', disk);
          return vmSpec({ ...spec, disks: spec.disks.map((one) => (one.id === disk ? { ...one, uri } : one)) });
        },
        () => host.emit({ kind: 'device', vm: id, device: disk, change: 'swapped' }),
      ),
    resize: (id, disk) =>
      edit(
        'resize',
        id,
        (spec) => {
          has(spec, 'disks', disk);
          return spec;
        },
        () => host.emit({ kind: 'device', vm: id, device: disk, change: 'resized' }),
      ),
    attach: (id, disk) =>
      edit(
        'attach',
        id,
        (spec) => vmSpec({ ...spec, disks: [...spec.disks, disk] }),
        () =>
          host.emit({ kind: 'device', vm: id, device: host.find(id).spec.disks.at(-1)?.id as never, change: 'added' }),
      ),
    detach: (id, disk) =>
      edit(
        'detach',
        id,
        (spec) => {
          has(spec, 'disks', disk);
          return { ...spec, disks: spec.disks.filter((one) => one.id !== disk) };
        },
        () => host.emit({ kind: 'device', vm: id, device: disk, change: 'removed' }),
      ),
    changeCd: (id, cd, uri) =>
      edit(
        'change-cd',
        id,
        (spec) => {
          has(spec, 'cds', cd);
          return vmSpec({ ...spec, cds: spec.cds.map((one) => (one.id === cd ? { id: cd, uri } : one)) });
        },
        () =>
          host.emit({ kind: 'device', vm: id, device: cd, change: uri === undefined ? 'tray-open' : 'tray-closed' }),
      ),
  };
}

export function fakeAgent(host: FakeHost): AgentFacet {
  const guest = async (id: VmId): Promise<FakeVm> => {
    await host.enter('agent', id);
    const vm = host.find(id);
    if (!vm.isAgentConnected) throw new HostError('AGENT_ABSENT', `no agent runs in the guest of ${id}`);
    return vm;
  };
  return {
    ping: async (id) => {
      await guest(id);
    },
    info: async (id) => {
      await guest(id);
      return { version: '1.0', commands: ['ping', 'exec', 'fsfreeze'] };
    },
    addresses: async (id) => {
      await guest(id);
      return [{ interface: 'eth0', family: 'ipv4', address: '192.0.2.1', prefix: 24 }];
    },
    freeze: async (id, options = {}) => {
      await guest(id);
      return fakeFreeze(id, options.guardMs ?? 10_000);
    },
    exec: async (id, command) => {
      await guest(id);
      const stdout = Buffer.from(`${[command.path, ...(command.args ?? [])].join(' ')}\n`);
      return { exitCode: 0, signal: undefined, stdout, stderr: new Uint8Array(), isTruncated: false };
    },
    setTime: async (id) => {
      await guest(id);
    },
    readFile: async (id, path) => {
      const file = (await guest(id)).files.get(path);
      if (file === undefined) throw new HostError('AGENT_REFUSED', `no file ${path} in ${id}`);
      return file;
    },
    writeFile: async (id, path, data) => {
      (await guest(id)).files.set(path, Uint8Array.from(data));
    },
  };
}

function fakeFreeze(id: VmId, guardMs: number): Freeze {
  const lost = new AbortController();
  const guard = setTimeout(
    () => lost.abort(new HostError('FREEZE_LOST', `the guest of ${id} was thawed by its guard`)),
    guardMs,
  );
  return {
    fileSystems: 1,
    lost: lost.signal,
    thaw: async () => {
      clearTimeout(guard);
      if (lost.signal.aborted) throw lost.signal.reason;
    },
  };
}
