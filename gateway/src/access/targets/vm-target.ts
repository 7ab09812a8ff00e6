/** Desktops as sessions need them: what they are, and the way to their screens and consoles. */
import type { VmId } from '@oriel/hosts';
import { isOn } from '../../../api/vm.ts';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import { GatewayError } from '../../errors.ts';
import { policyOf } from '../policies/policy.ts';
import type { DesktopPort } from '../sessions/ports.ts';

export function desktopPort(vms: Vms, hosts: Hosts): DesktopPort {
  return {
    describe: async (desktopId) => {
      if (!(await vms.has(desktopId))) return undefined;
      const vm = await vms.get(desktopId);
      const kinds = vm.hardware.video === 'none' ? (['serial'] as const) : (['display', 'serial'] as const);
      return { name: vm.name, kinds, isOn: isOn(vm), policy: policyOf(vm.sessionRules) };
    },
    endpoint: async (desktopId, kind) => {
      const vm = await vms.get(desktopId);
      if (!isOn(vm)) throw new GatewayError('CONFLICT', `desktop ${vm.name} is ${vm.state}`);
      return await hosts
        .requireDriver(vm.hostId)
        .display(vm.id as VmId, { kind: kind === 'display' ? 'rfb' : 'serial' });
    },
  };
}
