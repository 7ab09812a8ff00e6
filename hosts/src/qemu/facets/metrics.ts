/**
 * What the VMs use, for all of them in one go: processor and memory from /proc, disk bytes from QEMU. Spec: proc(5).
 */
import { statOf } from '@oriel/machine';
import type { Sample } from '../../driver.ts';
import type { QemuVm } from '../vm/vm.ts';

/** USER_HZ and the page size of every Linux that QEMU's x86 host binaries run on. */
const TICKS_PER_SECOND = 100;
const PAGE_BYTES = 4096;
const STATS_MS = 1_000;

export async function sampleVms(vms: readonly QemuVm[]): Promise<readonly Sample[]> {
  const samples = await Promise.all(vms.map(sampleVm));
  return samples.filter((sample) => sample !== undefined);
}

async function sampleVm(vm: QemuVm): Promise<Sample | undefined> {
  if (vm.process === undefined) return undefined;
  const stat = statOf(vm.process.ref.pid);
  if (stat === undefined || stat.startTicks !== vm.process.ref.startTicks) return undefined;
  const disks = await diskBytes(vm);
  return {
    vm: vm.id,
    at: vm.host.now(),
    cpuSeconds: stat.cpuTicks / TICKS_PER_SECOND,
    residentBytes: stat.residentPages * PAGE_BYTES,
    ...disks,
  };
}

/** A QEMU that does not answer costs its own numbers, never those of the others. */
async function diskBytes(vm: QemuVm): Promise<Pick<Sample, 'diskReadBytes' | 'diskWrittenBytes'>> {
  const none = { diskReadBytes: 0, diskWrittenBytes: 0 };
  if (vm.qmp?.isOpen !== true) return none;
  try {
    const stats = await vm.qmp.execute('query-blockstats', undefined, { timeoutMs: STATS_MS });
    return stats.reduce(
      (sum, { stats: one }) => ({
        diskReadBytes: sum.diskReadBytes + one.rd_bytes,
        diskWrittenBytes: sum.diskWrittenBytes + one.wr_bytes,
      }),
      none,
    );
  } catch {
    return none;
  }
}
