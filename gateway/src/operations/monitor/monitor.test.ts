/** What VMs use, as /metrics shows it: of those that are there now, and of hosts that answer. */
import type { HostDriver, Sample } from '@oriel/hosts';
import { Registry } from 'prom-client';
import { beforeEach, expect, test } from 'vitest';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import { openLog } from '../../log.ts';
import { MONITOR, Monitor } from './monitor.ts';

const sampleOf = (vm: string, cpuSeconds: number): Sample =>
  ({ vm, at: 0, cpuSeconds, residentBytes: 1, diskReadBytes: 2, diskWrittenBytes: 3 }) as Sample;

/** A host's bulk call, answered when the test says so. */
class TestHost {
  calls = 0;
  answer: (samples: readonly Sample[]) => void = () => undefined;
  fail: (error: Error) => void = () => undefined;
  readonly driver = {
    metrics: () => {
      this.calls += 1;
      return new Promise<readonly Sample[]>((resolve, reject) => {
        this.answer = resolve;
        this.fail = reject;
      });
    },
  } as unknown as HostDriver;
}

let known: Map<string, TestHost | undefined>;
let monitor: Monitor;
let registry: Registry;
beforeEach(() => {
  known = new Map();
  registry = new Registry();
  const hosts = {
    list: () => [...known].map(([id, host]) => ({ id, state: host === undefined ? 'unreachable' : 'connected' })),
    driver: (id: string) => known.get(id)?.driver,
  } as unknown as Hosts;
  const vms = { list: async () => [{ state: 'running' }, { state: 'running' }, { state: 'failed' }] } as unknown as Vms;
  monitor = new Monitor({ hosts, vms, registry, log: openLog({ level: 'silent' }) });
});

function add(id: string): TestHost {
  const host = new TestHost();
  known.set(id, host);
  return host;
}
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const linesOf = async (name: string): Promise<string[]> =>
  (await registry.metrics()).split('\n').filter((line) => line.startsWith(`${name}{`));

test('every VM of every host that answers has its figures', async () => {
  const [a, b] = [add('a'), add('b')];
  monitor.sample();
  a.answer([sampleOf('vm-1', 1.5), sampleOf('vm-2', 2)]);
  b.answer([sampleOf('vm-3', 3)]);
  await settled();
  expect(await linesOf('oriel_vm_cpu_seconds')).toEqual([
    'oriel_vm_cpu_seconds{host="a",vm="vm-1"} 1.5',
    'oriel_vm_cpu_seconds{host="a",vm="vm-2"} 2',
    'oriel_vm_cpu_seconds{host="b",vm="vm-3"} 3',
  ]);
  expect(await linesOf('oriel_vm_disk_written_bytes')).toHaveLength(3);
  expect(await linesOf('oriel_vms')).toEqual(['oriel_vms{state="running"} 2', 'oriel_vms{state="failed"} 1']);
});

test('a host that is slow is left alone until it has answered, and one that fails keeps what it last said', async () => {
  const host = add('a');
  monitor.sample();
  monitor.sample();
  expect(host.calls).toBe(1);
  host.answer([sampleOf('vm-1', 1)]);
  await settled();
  monitor.sample();
  expect(host.calls).toBe(2);
  host.fail(new Error('it does not answer'));
  await settled();
  expect(await linesOf('oriel_vm_cpu_seconds')).toHaveLength(1);
});

test('BOUNDED: what is gone leaves no series, and a host gives so many at most', async () => {
  const [a, b] = [add('a'), add('b')];
  monitor.sample();
  a.answer(Array.from({ length: MONITOR.vmSeries + 1 }, (_, at) => sampleOf(`vm-${at}`, at)));
  b.answer([sampleOf('vm-b', 1)]);
  await settled();
  expect(await linesOf('oriel_vm_cpu_seconds')).toHaveLength(MONITOR.vmSeries + 1); // And that of b.
  known.delete('a'); // It was removed.
  known.set('b', undefined); // It is not connected any more.
  monitor.sample();
  expect(await linesOf('oriel_vm_cpu_seconds')).toEqual([]);
  expect(await linesOf('oriel_host_up')).toEqual(['oriel_host_up{host="b"} 0']);
});
