/**
 * Ways to a VM's screen and serial console. INVARIANT NO-SECRET-OUT: what leaves here is a stream, never a path or a port.
 */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { DisplayEndpoint, DisplayWant, DialOptions as WantedDial } from '../../driver.ts';
import { HostError } from '../../errors.ts';
import { tailOf } from '../process/log-trim.ts';
import { type DialOptions, dialUnix, onreadOf, openSocket, signalOf } from '../qmp/client.ts';
import { QEMU_LIMITS } from '../vm/host.ts';
import type { QemuVm } from '../vm/vm.ts';
import { SERIAL_LIMITS, SerialHub } from './serial-hub.ts';

export const DISPLAY_TTL_MS = 30_000;
/** RFC 6143, section 7.2.2: VNC authentication looks at eight characters. */
const SECRET_CHARS = 8;

type Dial = (options: DialOptions) => Promise<Duplex>;

export class Displays {
  readonly #open = new Map<QemuVm, Set<Duplex>>();
  readonly #hubs = new WeakMap<object, SerialHub>();

  async endpoint(vm: QemuVm, want: DisplayWant): Promise<DisplayEndpoint> {
    const record = vm.process;
    if (record === undefined) throw vm.wrongState('open a display of');
    const ttlMs = want.ttlMs ?? DISPLAY_TTL_MS;
    const expires = vm.host.now() + ttlMs;
    switch (want.kind) {
      case 'rfb': {
        if (record.spec.video === 'none') throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no screen`);
        if (want.needsOneTimeSecret === true) return this.#guarded(vm, expires, ttlMs);
        return { kind: 'rfb', expires, dial: this.#dialler(vm, expires, (options) => dialUnix(vm.paths.vnc, options)) };
      }
      case 'serial': {
        if (!record.spec.hasSerial) throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no serial port`);
        const hub = this.#hub(vm, record.ref);
        return { kind: 'serial', expires, dial: this.#dialler(vm, expires, (options) => hub.dial(options)) };
      }
      case 'rdp':
      case 'spice':
      case 'ssh':
        throw new HostError('DISPLAY_UNSUPPORTED', `a VM of QEMU has no ${want.kind} display`);
    }
  }

  close(): void {
    for (const open of this.#open.values()) for (const stream of open) stream.destroy();
    this.#open.clear();
  }

  /** The TCP display: a random password, gone when it was used once or its time is over. */
  async #guarded(vm: QemuVm, expires: number, ttlMs: number): Promise<DisplayEndpoint> {
    const { tcpDisplay } = vm.host.argv;
    if (tcpDisplay === undefined) throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no display with passwords`);
    const qmp = vm.connection('open a display of');
    const servers = await qmp.execute('query-vnc-servers');
    const port = Number(servers.find((server) => server.id === 'tcp')?.server[0]?.service);
    if (!Number.isInteger(port)) throw new HostError('DISPLAY_UNSUPPORTED', `${vm.id} has no display with passwords`);
    const oneTimeSecret = randomBytes(SECRET_CHARS).toString('base64url').slice(0, SECRET_CHARS);
    const seconds = Math.max(1, Math.ceil(ttlMs / 1000));
    await qmp.execute('set_password', { protocol: 'vnc', password: oneTimeSecret, display: 'tcp' });
    await qmp.execute('expire_password', { protocol: 'vnc', time: `+${seconds}`, display: 'tcp' });
    const stop = qmp.onEvent((event) => {
      if (event.name !== 'VNC_INITIALIZED') return;
      // Somebody is in: the password has done its work. QEMU asks for it only at the door.
      stop();
      qmp.execute('expire_password', { protocol: 'vnc', time: 'now', display: 'tcp' }).catch(() => undefined);
    });
    const dial = this.#dialler(vm, expires, (options) => dialTcp(tcpDisplay.host, port, options));
    return { kind: 'rfb', expires, oneTimeSecret, dial };
  }

  #hub(vm: QemuVm, run: object): SerialHub {
    const known = this.#hubs.get(run);
    if (known !== undefined) return known;
    const hub = new SerialHub(vm.paths.serial, () => tailOf(vm.paths.serialLog, SERIAL_LIMITS.historyBytes));
    this.#hubs.set(run, hub);
    return hub;
  }

  #dialler(vm: QemuVm, expires: number, dial: Dial): (options?: WantedDial) => Promise<Duplex> {
    const run = vm.process?.ref;
    return async (options = {}) => {
      if (expires < vm.host.now())
        throw new HostError('DISPLAY_EXPIRED', `the display of ${vm.id} was not dialled in time`);
      // The endpoint is of this run of the VM: a restart is another guest state, perhaps another user's.
      if (vm.process?.ref !== run) throw new HostError('DISPLAY_EXPIRED', `${vm.id} was stopped or restarted since`);
      const open = this.#open.get(vm) ?? new Set<Duplex>();
      if (QEMU_LIMITS.displaysPerVm <= open.size) {
        throw new HostError('HOST_LIMIT', `${open.size} displays of ${vm.id} are open already`);
      }
      const { onread } = options;
      const common = { timeoutMs: vm.host.timing.connectMs, ...signalOf(options) };
      const stream = await dial(onread === undefined ? common : { ...common, onread });
      this.#open.set(vm, open.add(stream));
      stream.once('close', () => open.delete(stream));
      return stream;
    };
  }
}

function dialTcp(host: string, port: number, options: DialOptions): Promise<Socket> {
  return openSocket(() => connect({ host, port, ...onreadOf(options) }), 'the display', options);
}
