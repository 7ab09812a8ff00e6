/**
 * A fleet of fake hosts, the same every time: by default the 86 hosts with 1,224 VMs that the benchmarks are measured on.
 */
import { FakeHost, type FakeHostOptions } from './fake-host.ts';

export const FLEET = { hosts: 86, vms: 1224 } as const;

export interface FleetOptions extends FakeHostOptions {
  readonly hosts?: number;
  readonly vms?: number;
}

/** Nine of ten VMs run. Host n is `host-00n`, VM n is `vm-000n`, dealt out in turn. */
export function fakeFleet(options: FleetOptions = {}): readonly FakeHost[] {
  const { hosts: hostCount = FLEET.hosts, vms: vmCount = FLEET.vms, ...common } = options;
  const hosts = Array.from(
    { length: hostCount },
    (_, at) => new FakeHost({ ...common, name: `host-${String(at + 1).padStart(3, '0')}` }),
  );
  for (let at = 0; at < vmCount; at++) {
    const number = String(at + 1).padStart(4, '0');
    const host = hosts[at % hostCount] as FakeHost;
    host.define(
      {
        id: `vm-${number}`,
        name: `desktop ${number}`,
        memoryMiB: 1024 * (1 + (at % 4)),
        vcpus: 1 + (at % 4),
        disks: [{ id: 'system', uri: `nbd+unix:///vm-${number}?socket=/run/fake/disks` }],
      },
      at % 10 === 9 ? { state: 'stopped', reason: 'requested' } : { state: 'running' },
    );
  }
  return hosts;
}
