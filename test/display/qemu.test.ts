/** The whole path on a real VM: ticket, upgrade, broker, QEMU's VNC server and serial port. */
import { expect, test } from 'vitest';
import { guestAnswers, readRawUpdate, say, startDisplayGateway, startQemu, unixEndpoint, until } from './support.ts';

async function gatewayOnQemu(offer = true) {
  const vm = await startQemu();
  const gateway = await startDisplayGateway({
    d1: { endpoint: (kind) => unixEndpoint(kind === 'display' ? vm.display : vm.serial, {}, offer) },
  });
  return { vm, gateway };
}

test.for([true, false])('a ticket opens the screen of a QEMU VM (read buffers taken: %s)', async (offer) => {
  const { gateway } = await gatewayOnQemu(offer);
  const ann = await gateway.user('ann');
  const { ticket, sessionId } = await gateway.ticket(ann);
  const browser = gateway.socket(ann, ticket);
  const screen = await browser.rfb();
  expect(screen.name).toBe('desktop d1');
  expect(gateway.feature.sessions.get(sessionId)?.phase.state).toBe('live');
  await browser.send(say.encodings(0));
  await browser.send(say.update(screen.width, screen.height));
  // The guest may be between two screen modes: its picture is then smaller than the screen said at first.
  expect(await readRawUpdate(browser.reader)).toBeGreaterThan(100_000);
});

test('keys reach the guest, and what it says on its serial port reaches every console', async () => {
  const { gateway } = await gatewayOnQemu();
  const ann = await gateway.user('ann');
  const bob = await gateway.user('bob');
  const first = gateway.socket(ann, (await gateway.ticket(ann, 'd1', { kind: 'serial' })).ticket);
  await guestAnswers(first);
  const second = gateway.socket(bob, (await gateway.ticket(bob, 'd1', { kind: 'serial' })).ticket);
  await until('the scrollback', () => 0 < second.reader.waiting.byteLength);
  const screen = gateway.socket(ann, (await gateway.ticket(ann)).ticket);
  await screen.rfb();
  for (const isDown of [true, false]) await screen.send(say.key(0x71, isDown));
  await first.send(Buffer.from('w'));
  for (const console of [first, second]) {
    await until('both letters', () => /q[^]*w|w[^]*q/.test(console.reader.waiting.toString().slice(-40)));
  }
});
