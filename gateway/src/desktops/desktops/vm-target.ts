/** Desktops that are VMs: their screens, their serial consoles, their pictures. */
import type { VmId } from '@oriel/hosts';
import { isOn, type Vm } from '../../../api/vm.ts';
import type { Hosts } from '../../compute/hosts/hosts.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import { GatewayError } from '../../errors.ts';
import type { StoredDesktop, Target, TargetFacts } from './target.ts';

export function vmTarget(vms: Vms, hosts: Hosts): Target {
  const vmOf = (desktop: StoredDesktop): Promise<Vm> => vms.get(vmIdOf(desktop));
  return {
    describe: async (desktop) => ((await vms.has(vmIdOf(desktop))) ? factsOf(await vmOf(desktop)) : undefined),
    describeAll: async (desktops) => {
      const facts = new Map((await vms.list()).map((vm) => [vm.id, factsOf(vm)]));
      return new Map(
        desktops.flatMap((desktop) => {
          const found = facts.get(vmIdOf(desktop));
          return found === undefined ? [] : [[desktop.id, found] as const];
        }),
      );
    },
    dial: async (desktop, view) => {
      const vm = await vmOf(desktop);
      if (!isOn(vm)) throw new GatewayError('CONFLICT', `desktop ${vm.name} is ${vm.state}`);
      const kind = view === 'display' ? 'rfb' : 'serial';
      return await hosts.requireDriver(vm.hostId).display(vm.id as VmId, { kind });
    },
    picture: async (desktop, asked) => {
      const vm = await vmOf(desktop);
      const { screen } = hosts.requireDriver(vm.hostId);
      if (screen === undefined) throw new GatewayError('NOT_SUPPORTED', 'this host cannot take pictures of screens');
      return (await screen.shot(vm.id as VmId, asked)).png;
    },
    // Its desktop has the id of the VM.
    subscribe: (listener) => vms.subscribe((id, vm) => listener(id, vm && factsOf(vm))),
  };
}

function vmIdOf({ id, vmId }: StoredDesktop): string {
  return vmId ?? id;
}

function factsOf(vm: Vm): TargetFacts {
  const { name, description, state, reason, hasClipboard } = vm;
  return {
    name,
    description,
    state,
    reason,
    hasClipboard,
    views: vm.hardware.video === 'none' ? ['serial'] : ['display', 'serial'],
    isOn: isOn(vm),
  };
}
