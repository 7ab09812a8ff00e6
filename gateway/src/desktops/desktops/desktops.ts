/** Desktops: what a person may open. Today each VM is one; the list asks auth what its reader may do with it. */
import { type Desktop, LIVE_TOPICS } from '../../../api/desktop.ts';
import { DESKTOP_RIGHTS } from '../../../api/rights.ts';
import { isOn, type Vm } from '../../../api/vm.ts';
import type { Vms } from '../../compute/vms/vms.ts';
import type { ObjectLookup } from '../../platform/api/bind.ts';
import type { EventHub } from '../../platform/events/hub.ts';
import { type Principal, rightsOn } from '../../platform/rights/rights.ts';

export interface DesktopsOptions {
  readonly vms: Vms;
  readonly hub: EventHub;
}

export class Desktops {
  readonly #options: DesktopsOptions;
  readonly #unsubscribe: () => void;

  constructor(options: DesktopsOptions) {
    this.#options = options;
    this.#unsubscribe = options.vms.subscribe((id, vm) => {
      const event = vm === undefined ? { kind: 'removed', id } : { kind: 'changed', id, data: this.#desktopOf(vm, []) };
      options.hub.publish(LIVE_TOPICS.desktop, event, { desktopId: id });
    });
  }

  close(): void {
    this.#unsubscribe();
  }

  /** What the principal may see, each with the rights they hold on it. */
  async list(principal: Principal): Promise<Desktop[]> {
    const all = await this.#options.vms.list();
    return all.flatMap((vm) => {
      const desktop = this.#desktopFor(principal, vm);
      return desktop.rights.includes('see') ? [desktop] : [];
    });
  }

  async get(principal: Principal, id: string): Promise<Desktop> {
    return this.#desktopFor(principal, await this.#options.vms.get(id));
  }

  #desktopFor(principal: Principal, vm: Vm): Desktop {
    const held = rightsOn(principal, vm.id);
    const desktop = this.#desktopOf(
      vm,
      DESKTOP_RIGHTS.filter((right) => held.has(right)),
    );
    return held.has('view') ? desktop : { ...desktop, thumbnailUrl: null };
  }

  #desktopOf(vm: Vm, rights: Desktop['rights']): Desktop {
    const hasScreen = vm.hardware.video !== 'none';
    return {
      id: vm.id,
      kind: 'vm',
      name: vm.name,
      description: vm.description,
      state: vm.state,
      reason: vm.reason,
      views: hasScreen ? ['display', 'serial'] : ['serial'],
      hasClipboard: vm.hasClipboard,
      rights,
      thumbnailUrl: hasScreen && isOn(vm) ? `/api/v1/desktops/${vm.id}/thumbnail` : null,
    };
  }
}

/** Every VM is its own desktop, so the facts that access is decided on are its id. */
export function desktopLookup(vms: Vms): ObjectLookup {
  return async (id) => ((await vms.has(id)) ? { desktopId: id } : undefined);
}
