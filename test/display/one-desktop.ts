/** One desktop and people with live sessions on it, over real sockets. */
import { expect } from 'vitest';
import { DEFAULT_POLICY } from '../../gateway/src/access/policies/policy.ts';
import { type ByteReader, fakeVm, rfbServerHandshake, startDisplayGateway, unixEndpoint } from './support.ts';

/** A desktop `d1` whose VM keeps what every viewer says to it. */
export async function start(
  policy: Partial<typeof DEFAULT_POLICY> = {},
  options: Parameters<typeof startDisplayGateway>[1] = {},
) {
  const heard: ByteReader[] = [];
  const vm = await fakeVm((socket) => {
    rfbServerHandshake(socket).then(
      (reader) => heard.push(reader),
      () => {},
    );
  });
  const gateway = await startDisplayGateway(
    { d1: { endpoint: () => unixEndpoint(vm), policy: { ...DEFAULT_POLICY, ...policy } } },
    options,
  );
  return { gateway, heard };
}
export type Started = Awaited<ReturnType<typeof start>>;

/** Somebody whose session on it is live. */
export async function live({ gateway }: Started, name: string) {
  const person = await gateway.user(name);
  const { ticket, sessionId } = await gateway.ticket(person);
  const browser = gateway.socket(person, ticket);
  await browser.rfb();
  return { person, browser, sessionId };
}
/** An error of the API with that code. */
export const refusal = (code: string): unknown => expect.objectContaining({ code });
