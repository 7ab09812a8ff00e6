/**
 * The output of a serial console, across drops: where it stands is kept, so that the gateway goes on at the byte where it
 * broke (api/console.ts). What is said again where it cannot is set apart from what was there.
 */
import { CONSOLE_PROTOCOL, ConsoleHello, type ConsolePosition, positionProtocol } from '../../../../api/console.ts';

/** What the terminal does before the bytes that follow. */
export type ConsoleTurn = 'go-on' | 'start-afresh';

export class ConsoleStream {
  #position: ConsolePosition | undefined;
  #isGreeted = false;

  /** The subprotocols to offer for the next connection. */
  offers(): readonly string[] {
    this.#isGreeted = false;
    return this.#position === undefined ? [CONSOLE_PROTOCOL] : [CONSOLE_PROTOCOL, positionProtocol(this.#position)];
  }

  /** A message came on a socket that has the protocol. Gives the output in it, or what its greeting means. */
  take(bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> | ConsoleTurn {
    if (this.#isGreeted) {
      if (this.#position !== undefined)
        this.#position = { ...this.#position, at: this.#position.at + bytes.byteLength };
      return bytes;
    }
    this.#isGreeted = true;
    const hello = ConsoleHello.safeParse(parseJson(bytes));
    if (!hello.success) return bytes; // Not ours to understand: it is shown.
    const hadOutput = this.#position !== undefined;
    this.#position = { epoch: hello.data.epoch, at: hello.data.at };
    return hello.data.isContinued || !hadOutput ? 'go-on' : 'start-afresh';
  }
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
