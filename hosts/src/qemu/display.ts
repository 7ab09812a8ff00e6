// Ways to a VM's screen and serial console. INVARIANT NO-SECRET-OUT: what leaves here is a stream, never a path or a port.
import type { Duplex } from 'node:stream';
import type { CallOptions, DisplayEndpoint, DisplayWant } from '../driver.ts';
import { HostError } from '../error.ts';
import { QEMU_LIMITS } from './host.ts';
import { dialUnix, signalOf } from './qmp/client.ts';
import type { QemuVm } from './vm.ts';

export const DISPLAY_TTL_MS = 30_000;

export class Displays {
  readonly #open = new Map<QemuVm, Set<Duplex>>();

  async endpoint(vm: QemuVm, want: DisplayWant): Promise<DisplayEndpoint> {
    const spec = vm.process?.spec;
    if (spec === undefined) throw vm.wrongState('open a display of');
    const expires = vm.host.now() + (want.ttlMs ?? DISPLAY_TTL_MS);
    const dial = this.#dialler(vm, want, expires);
    if (want.oneTimeSecret === true)
      throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no display with passwords`);
    switch (want.kind) {
      case 'rfb':
        if (spec.video === 'none') throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no screen`);
        return { kind: 'rfb', expires, dial: dial(vm.paths.vnc) };
      case 'serial':
        if (!spec.serial) throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no serial port`);
        return { kind: 'serial', expires, dial: dial(vm.paths.serial) };
      case 'rdp':
      case 'spice':
      case 'ssh':
        throw new HostError('DISPLAY_UNSUPPORTED', `a VM of QEMU has no ${want.kind} display`);
    }
  }

  #dialler(
    vm: QemuVm,
    want: DisplayWant,
    expires: number,
  ): (path: string) => (options?: CallOptions) => Promise<Duplex> {
    const record = vm.process;
    return (path) =>
      async (options = {}) => {
        if (expires < vm.host.now())
          throw new HostError('DISPLAY_EXPIRED', `the ${want.kind} display of ${vm.id} was not dialled in time`);
        // The endpoint is of this run of the VM: a restart is another guest state, perhaps another user's.
        if (vm.process?.ref !== record?.ref) throw new HostError('DISPLAY_EXPIRED', `${vm.id} was restarted since`);
        const open = this.#open.get(vm) ?? new Set<Duplex>();
        if (QEMU_LIMITS.displaysPerVm <= open.size) {
          throw new HostError('HOST_LIMIT', `${open.size} displays of ${vm.id} are open already`);
        }
        const socket = await dialUnix(path, { timeoutMs: vm.host.timing.connectMs, ...signalOf(options) });
        this.#open.set(vm, open.add(socket));
        socket.once('close', () => open.delete(socket));
        return socket;
      };
  }

  close(): void {
    for (const open of this.#open.values()) for (const socket of open) socket.destroy();
    this.#open.clear();
  }
}
