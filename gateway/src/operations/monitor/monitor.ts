/**
 * Samples what VMs use, in one bulk call a host, for /metrics. BOUNDED: labels are the ids of hosts and VMs that are
 * there now; what is gone leaves no series behind.
 */
import type { Sample } from '@oriel/hosts';
import { Gauge, type Registry } from 'prom-client';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import type { Logger } from '../../log.ts';

export const MONITOR = { everyMs: 15_000, callMs: 5_000, vmSeries: 5_000 } as const;

interface HostSamples {
  readonly hostId: string;
  readonly samples: readonly Sample[];
}

export interface MonitorOptions {
  readonly hosts: Hosts;
  readonly vms: Vms;
  readonly registry: Registry;
  readonly log: Logger;
}

export class Monitor {
  readonly #options: MonitorOptions;
  readonly #latest = new Map<string, HostSamples>();
  readonly #sampling = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: MonitorOptions) {
    this.#options = options;
    this.#register();
  }

  start(): void {
    this.#timer = setInterval(() => this.sample(), MONITOR.everyMs);
    this.#timer.unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  /** Asks every connected host at once; one that is slow is left alone until it has answered. */
  sample(): void {
    const { hosts, log } = this.#options;
    const known = new Set(hosts.list().map((host) => host.id));
    for (const hostId of this.#latest.keys()) if (!known.has(hostId)) this.#latest.delete(hostId);
    for (const hostId of known) {
      const driver = hosts.driver(hostId);
      if (driver === undefined) this.#latest.delete(hostId);
      if (driver === undefined || this.#sampling.has(hostId)) continue;
      this.#sampling.add(hostId);
      driver
        .metrics(undefined, { signal: AbortSignal.timeout(MONITOR.callMs) })
        .then((samples) => this.#latest.set(hostId, { hostId, samples: samples.slice(0, MONITOR.vmSeries) }))
        .catch((error: unknown) => log.debug({ err: error, host: hostId }, 'sample-failed'))
        .finally(() => this.#sampling.delete(hostId));
    }
  }

  #register(): void {
    const { hosts, vms, registry } = this.#options;
    const latest = this.#latest;
    const perVm = (name: string, help: string, value: (sample: Sample) => number): void => {
      const gauge: Gauge = new Gauge({
        name,
        help,
        labelNames: ['host', 'vm'],
        registers: [registry],
        collect: () => {
          gauge.reset();
          for (const { hostId, samples } of latest.values()) {
            for (const sample of samples) gauge.set({ host: hostId, vm: sample.vm }, value(sample));
          }
        },
      });
    };
    perVm('oriel_vm_cpu_seconds', 'CPU time of a VM since it was started', (sample) => sample.cpuSeconds);
    perVm('oriel_vm_resident_bytes', 'memory of a VM on its host', (sample) => sample.residentBytes);
    perVm('oriel_vm_disk_read_bytes', 'bytes that a VM read since it was started', (sample) => sample.diskReadBytes);
    perVm(
      'oriel_vm_disk_written_bytes',
      'bytes that a VM wrote since it was started',
      (sample) => sample.diskWrittenBytes,
    );
    const states: Gauge = new Gauge({
      name: 'oriel_vms',
      help: 'VMs by state',
      labelNames: ['state'],
      registers: [registry],
      collect: async () => {
        states.reset();
        for (const vm of await vms.list()) states.inc({ state: vm.state });
      },
    });
    const up: Gauge = new Gauge({
      name: 'oriel_host_up',
      help: '1 while a host is connected',
      labelNames: ['host'],
      registers: [registry],
      collect: () => {
        up.reset();
        for (const host of hosts.list()) up.set({ host: host.id }, host.state === 'connected' ? 1 : 0);
      },
    });
  }
}
