/**
 * A serial console on the wire. A page that offers CONSOLE_PROTOCOL beside its ticket (and gets it as `socket.protocol`)
 * is told first where it stands, so that a drop resumes at the byte where it broke:
 *
 * `new WebSocket(path, ['binary', CONSOLE_PROTOCOL, ticketProtocol(ticket), positionProtocol(position)])`
 *
 * The first message is a ConsoleHello as JSON (in a binary frame, like everything); each byte after it is output. The
 * position of the page is `hello.at` plus the bytes that came since; it offers that position when it comes back.
 */
import { z } from 'zod';

/** The subprotocol that the server selects where it is offered. */
export const CONSOLE_PROTOCOL = 'oriel.console';
const POSITION_PREFIX = 'oriel.at.';

/** What follows `at` in the output of this connection to the port, which `epoch` names. */
export const ConsolePosition = z.object({ epoch: z.string().regex(/^[A-Za-z0-9_-]{8}$/), at: z.number().int().min(0) });
export type ConsolePosition = z.infer<typeof ConsolePosition>;

export const ConsoleHello = ConsolePosition.extend({
  /**
   * What follows continues where the page broke off, with nothing twice and nothing missing. False: what the page shows
   * is of another time; it draws a line, or starts afresh where something is replayed.
   */
  isContinued: z.boolean(),
  /** So many of the bytes that follow were said before. What they ask of a terminal is blanked out: nothing answers it. */
  replayBytes: z.number().int().min(0),
});
export type ConsoleHello = z.infer<typeof ConsoleHello>;

/** What goes into the list of subprotocols where a page comes back. */
export function positionProtocol({ epoch, at }: ConsolePosition): string {
  return `${POSITION_PREFIX}${epoch}.${at}`;
}

/** The position in a list of subprotocols; undefined where there is none that could be one. */
export function positionOf(protocols: readonly string[]): ConsolePosition | undefined {
  const found = protocols.find((protocol) => protocol.startsWith(POSITION_PREFIX));
  const match = /^([A-Za-z0-9_-]{8})\.(\d{1,15})$/.exec(found?.slice(POSITION_PREFIX.length) ?? '');
  return match === null ? undefined : { epoch: match[1] ?? '', at: Number(match[2]) };
}
