/**
 * The serial console of a session: xterm.js on a link of its own. Like Display, it knows no React. What the guest
 * sends is hostile: clipboard, link, title and report sequences are swallowed (S22), and a paste is cleaned.
 */
import { FitAddon } from '@xterm/addon-fit';
import { Unicode11Addon } from '@xterm/addon-unicode11';
import { type ITheme, Terminal as Xterm } from '@xterm/xterm';
import '@xterm/xterm/css/xterm.css';
import { CONSOLE_PROTOCOL } from '../../../../api/console.ts';
import { Link, type LinkState } from '../link/link.ts';
import { openSocket } from '../link/socket.ts';
import { afterRefusal, type TicketSource } from '../link/tickets.ts';
import { withAdoptedStyles } from '../screen/adopted-styles.ts';
import { REFUSED_OSC, sanitizePaste } from '../screen/paste.ts';
import { ConsoleStream } from './console-stream.ts';

const FONT = 'RedHatMono, ui-monospace, monospace';
const LIMITS = { scrollbackLines: 5_000 } as const;

const THEME: ITheme = {
  background: '#101418',
  foreground: '#e6e9ec',
  cursor: '#9fd3f0',
  cursorAccent: '#101418',
  selectionBackground: '#2f5f7f',
  scrollbarSliderBackground: '#ffffff40',
  scrollbarSliderHoverBackground: '#ffffff70',
  scrollbarSliderActiveBackground: '#ffffff90',
};

export interface TerminalEvents {
  readonly onState: (state: LinkState) => void;
  /** The person wants what is selected. */
  readonly onCopy: () => void;
  /** A paste of several lines: resolves to whether it may go on. */
  readonly confirmPaste: (text: string) => Promise<boolean>;
}

export class Terminal {
  readonly #xterm: Xterm;
  readonly #fit = new FitAddon();
  readonly #link: Link;
  readonly #tickets: TicketSource;
  readonly #events: TerminalEvents;
  readonly #host: HTMLElement;
  readonly #resizes: ResizeObserver;
  readonly #stream = new ConsoleStream();
  #socket: WebSocket | undefined;

  constructor(host: HTMLElement, tickets: TicketSource, events: TerminalEvents) {
    this.#host = host;
    this.#tickets = tickets;
    this.#events = events;
    this.#xterm = new Xterm({
      fontFamily: FONT,
      fontSize: 14,
      scrollback: LIMITS.scrollbackLines,
      screenReaderMode: true,
      theme: THEME,
      linkHandler: null,
      windowOptions: {},
      allowProposedApi: true, // `unicode`, to choose the version.
    });
    this.#refuseSequences();
    this.#xterm.loadAddon(this.#fit);
    this.#xterm.loadAddon(new Unicode11Addon());
    this.#xterm.unicode.activeVersion = '11'; // Emoji take two cells, as guests count them.
    withAdoptedStyles(document, () => this.#xterm.open(host));
    this.#xterm.attachCustomKeyEventHandler((event) => !this.#isCopy(event));
    this.#xterm.onData((data) => this.#send(data));
    this.#xterm.onBinary((data) => this.#sendBytes(Uint8Array.from(data, (character) => character.charCodeAt(0))));
    host.addEventListener('paste', this.#onPaste, { capture: true });
    this.#resizes = new ResizeObserver(() => this.#fit.fit());
    this.#resizes.observe(host);
    this.#link = new Link({
      ticket: (signal) => tickets.next(signal),
      afterRefusal,
      openSocket: (ticket) => openSocket(ticket, this.#stream.offers()),
      attach: (socket, ready) => this.#attach(socket, ready),
      detach: () => {
        this.#socket = undefined;
      },
      onState: events.onState,
      random: Math.random,
      schedule: (task, ms) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  /** What is selected; empty where nothing is. */
  selection(): string {
    return this.#xterm.getSelection();
  }

  start(): void {
    this.#link.start();
    this.#fit.fit();
    this.#xterm.focus();
  }

  stop(): void {
    this.#link.stop();
    this.#tickets.leave();
    this.#resizes.disconnect();
    this.#host.removeEventListener('paste', this.#onPaste, { capture: true });
    this.#xterm.dispose();
  }

  retryNow(): void {
    this.#link.retryNow();
  }

  reopen(): void {
    this.#tickets.startOver();
    this.#link.start();
  }

  #attach(socket: WebSocket, ready: () => void): void {
    this.#socket = socket;
    socket.addEventListener('open', ready);
    socket.addEventListener('message', ({ data }) => {
      if (data instanceof ArrayBuffer) this.#show(socket, new Uint8Array(data));
    });
  }

  #show(socket: WebSocket, bytes: Uint8Array<ArrayBuffer>): void {
    const shown = socket.protocol === CONSOLE_PROTOCOL ? this.#stream.take(bytes) : bytes;
    if (shown instanceof Uint8Array) this.#xterm.write(shown);
    else if (shown === 'start-afresh') this.#xterm.reset();
  }

  /** Swallows what lets a guest reach out of its terminal. A handler that returns true ends the sequence there. */
  #refuseSequences(): void {
    for (const osc of REFUSED_OSC) this.#xterm.parser.registerOscHandler(osc, () => true);
    // Window operations (CSI t) and requests for settings (DCS $ q) are answered on the input line: not for a guest.
    this.#xterm.parser.registerCsiHandler({ final: 't' }, () => true);
    this.#xterm.parser.registerDcsHandler({ intermediates: '$', final: 'q' }, () => true);
  }

  /** Control-Shift-C and Control-Insert copy, as in terminals everywhere: Control-C is the guest's. */
  #isCopy(event: KeyboardEvent): boolean {
    const isCopy = event.ctrlKey && ((event.shiftKey && event.code === 'KeyC') || event.code === 'Insert');
    if (!isCopy) return false;
    event.preventDefault();
    if (event.type === 'keydown') this.#events.onCopy();
    return true;
  }

  readonly #onPaste = (event: ClipboardEvent): void => {
    event.preventDefault();
    event.stopPropagation();
    const text = sanitizePaste(event.clipboardData?.getData('text/plain') ?? '');
    if (text === '') return;
    void this.#events.confirmPaste(text).then((isAllowed) => {
      if (isAllowed) this.#xterm.paste(text);
      this.#xterm.focus();
    });
  };

  #send(text: string): void {
    this.#sendBytes(new TextEncoder().encode(text));
  }

  #sendBytes(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(bytes);
  }
}
