/**
 * The clipboard between a screen's viewers and the guest: QEMU's own vdagent (`qemu-vdagent`) on the port that
 * `spice-vdagent` in the guest opens. The port is plugged in while QEMU runs and unplugged before a save, for that chardev
 * lets no memory be sent (QEMU 7.2, ui/vdagent.c), and a resumed guest must find the ports that it was saved with.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HostError } from '../../errors.ts';
import type { VmSpec } from '../../spec.ts';
import type { QmpClient } from '../qmp/client.ts';
import { CLIPBOARD, type QemuVm } from '../vm/vm.ts';

const POLL_MS = 10;

/** A clipboard belongs to a screen; the bus of its port comes with the guest agent's. Pure. */
export function hasClipboardPort({ hasAgent, video }: VmSpec): boolean {
  return hasAgent && video !== 'none';
}

/** Nothing to do where it is there already. A QEMU without vdagent has no clipboard, and is no worse for it. */
export async function plugClipboard(vm: QemuVm, qmp: QmpClient): Promise<void> {
  if (vm.process === undefined || !hasClipboardPort(vm.process.spec) || (await isPlugged(qmp))) return;
  const data = { clipboard: true, mouse: false };
  try {
    await qmp.execute('chardev-add', { id: CLIPBOARD.chardev, backend: { type: 'qemu-vdagent', data } });
  } catch (error) {
    if (error instanceof HostError && error.code === 'VM_REFUSED') return;
    throw error;
  }
  await qmp.execute('device_add', {
    driver: 'virtserialport',
    id: CLIPBOARD.port,
    bus: 'vserial.0',
    chardev: CLIPBOARD.chardev,
    name: 'com.redhat.spice.0',
  });
}

/** The port goes a moment after it was told to; until then its chardev is busy. */
export async function unplugClipboard(qmp: QmpClient, withinMs: number): Promise<void> {
  if (!(await isPlugged(qmp))) return;
  await qmp.execute('device_del', { id: CLIPBOARD.port }).catch(() => undefined); // It may be on its way out already.
  for (const end = Date.now() + withinMs; ; ) {
    const isGone = await qmp.execute('chardev-remove', { id: CLIPBOARD.chardev }).then(
      () => true,
      () => false,
    );
    if (isGone) return;
    if (end < Date.now()) throw new HostError('HOST_TIMEOUT', `the clipboard port did not go within ${withinMs} ms`);
    await delay(POLL_MS);
  }
}

async function isPlugged(qmp: QmpClient): Promise<boolean> {
  return (await qmp.execute('query-chardev')).some(({ label }) => label === CLIPBOARD.chardev);
}
