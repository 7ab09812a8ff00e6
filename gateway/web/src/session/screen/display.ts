/**
 * The screen of a session: noVNC on the link's socket. One object for as long as the page is open; a new RFB for every
 * connection. React reads its snapshot (useSyncExternalStore) and calls its methods; nothing here knows React.
 */
import type RFB from '@novnc/novnc';
import type { Ticket } from '../../../../api/ticket.ts';
import { onLiveBack } from '../../api/live.ts';
import { text } from '../../text/text.ts';
import { Link, type LinkState } from '../link/link.ts';
import { PingMonitor } from '../link/ping.ts';
import { openSocket } from '../link/socket.ts';
import { afterRefusal, type TicketSource } from '../link/tickets.ts';
import { type FitChoice, fittingOf, keptItsSize } from './fit.ts';
import { GuestKeyboard, type KeyboardChoice, takesScancodes } from './guest-keyboard.ts';
import { countInDevicePixels, sizesOf } from './hidpi.ts';
import { KEYS } from './keys.ts';
import { Meter } from './meter.ts';
import { measuredMbit, PICTURES, type Picture, pictureFor, type QualityChoice } from './quality.ts';
import type { TypingProgress } from './typist.ts';

export interface DisplaySnapshot {
  readonly link: LinkState;
  readonly sessionId: string | undefined;
  /** Somebody else's session: its owner has been asked and has not answered yet. */
  readonly isAsking: boolean;
  /** What the server lets this page do: `view` cannot type. */
  readonly mode: 'control' | 'view';
  /** The last text that the desktop put on its clipboard. */
  readonly remoteClipboard: { readonly text: string; readonly at: number } | undefined;
  readonly framesPerSecond: number;
  readonly bytesPerSecond: number;
  readonly roundTripMs: number | undefined;
  readonly picture: Picture;
  /** The desktop is larger than the window, at actual size: the view can be moved. */
  readonly isClipped: boolean;
  /** It was asked for the window's size and has kept its own. */
  readonly hasKeptSize: boolean;
  /** The server is a hypervisor's, which hands scancodes on: the guest's own keyboard layout counts. */
  readonly hasScancodes: boolean;
  /** A text that is being typed. */
  readonly typing: TypingProgress | undefined;
  /** The last key of the person that the guest's keyboard has not. */
  readonly missingKey: { readonly character: string; readonly at: number } | undefined;
}

export interface DisplaySettings {
  readonly fit: FitChoice;
  readonly quality: QualityChoice;
  readonly isViewOnly: boolean;
  readonly isDragging: boolean;
  readonly keyboard: KeyboardChoice;
}

const TICK_MS = 1_000;
const UNHEARD_TICKS = 3;

// Loading starts with the session page's own code, so that it overlaps with asking for the ticket.
const novnc = import('@novnc/novnc');

export class Display {
  readonly #screen: HTMLElement;
  readonly #ghost: HTMLElement;
  readonly #tickets: TicketSource;
  readonly #link: Link;
  readonly #listeners = new Set<() => void>();
  #settings: DisplaySettings = {
    fit: 'scale',
    quality: 'auto',
    isViewOnly: false,
    isDragging: false,
    keyboard: 'mine',
  };
  #meter = new Meter();
  #ping = new PingMonitor();
  readonly keyboard: GuestKeyboard;
  #rfb: RFB | undefined;
  #ticker: ReturnType<typeof setInterval> | undefined;
  #silentSince = 0;
  #unheardTicks = 0;
  #unlisten: () => void = () => undefined;
  #snapshot: DisplaySnapshot = {
    link: { kind: 'opening' },
    sessionId: undefined,
    isAsking: false,
    mode: 'control',
    remoteClipboard: undefined,
    framesPerSecond: 0,
    bytesPerSecond: 0,
    roundTripMs: undefined,
    picture: PICTURES.balanced,
    isClipped: false,
    hasKeptSize: false,
    hasScancodes: false,
    typing: undefined,
    missingKey: undefined,
  };

  /** `screen` takes noVNC's canvas; `ghost` shows the last picture while the connection is away. */
  constructor(screen: HTMLElement, ghost: HTMLElement, tickets: TicketSource) {
    this.#screen = screen;
    this.#ghost = ghost;
    this.#tickets = tickets;
    this.keyboard = new GuestKeyboard(screen, {
      onTyping: (typing) => this.#change({ typing }),
      onMissing: (character) => this.#change({ missingKey: { character, at: Date.now() } }),
    });
    this.#link = new Link({
      ticket: (signal) => this.#nextTicket(signal),
      afterRefusal,
      openSocket,
      attach: (socket, ready) => this.#attach(socket, ready),
      detach: () => this.#detach(),
      onState: (link) => this.#change({ link }),
      random: Math.random,
      schedule: (task, ms) => {
        const timer = setTimeout(task, ms);
        return () => clearTimeout(timer);
      },
    });
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };
  readonly snapshot = (): DisplaySnapshot => this.#snapshot;

  start(): void {
    this.#link.start();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    window.addEventListener('online', this.#retryNow);
    document.addEventListener('visibilitychange', this.#retryNow);
    this.#unlisten = onLiveBack(this.#retryNow);
  }

  stop(): void {
    clearInterval(this.#ticker);
    this.#unlisten();
    window.removeEventListener('online', this.#retryNow);
    document.removeEventListener('visibilitychange', this.#retryNow);
    this.#link.stop();
    this.#tickets.leave();
    this.#ping.stop();
    this.#ghost.replaceChildren();
  }

  retryNow(): void {
    this.#link.retryNow();
  }

  /** The desktop is off: asking for its screen again and again would only fill the audit log. */
  hold(isHeld: boolean): void {
    this.#link.hold(isHeld);
  }

  /** After an end: asks for a new session. */
  reopen(): void {
    this.#tickets.startOver();
    this.#link.start();
  }

  apply(settings: DisplaySettings): void {
    this.#settings = settings;
    if (settings.quality !== 'auto') this.#change({ picture: PICTURES[settings.quality] });
    this.#applyToRfb();
  }

  /** Input that changes nothing in the guest, so that the idle clock starts over. */
  stayAwake(): void {
    const rfb = this.#rfb;
    if (rfb === undefined) return;
    // Also from who only looks: the gateway drops the key, but has heard that somebody is there.
    const { viewOnly } = rfb;
    rfb.viewOnly = false;
    this.keyboard.press([KEYS.shift]);
    rfb.viewOnly = viewOnly;
    this.focus();
  }

  paste(text: string): void {
    this.#rfb?.clipboardPasteFrom(text);
  }

  focus(): void {
    this.#rfb?.focus({ preventScroll: true });
  }

  /** The screen as a PNG; null while there is none. */
  picture(): Promise<Blob | null> {
    return new Promise((resolve) => {
      if (this.#rfb === undefined) resolve(null);
      else this.#rfb.toBlob(resolve, 'image/png');
    });
  }

  readonly #retryNow = (): void => {
    if (document.visibilityState === 'visible') this.#link.retryNow();
  };

  async #nextTicket(signal: AbortSignal): Promise<Ticket> {
    const onAsked = () => this.#change({ isAsking: true });
    try {
      const [ticket] = await Promise.all([this.#tickets.next(signal, onAsked), novnc]);
      this.#change({ sessionId: ticket.sessionId, mode: ticket.mode });
      return ticket;
    } finally {
      this.#change({ isAsking: false });
    }
  }

  #attach(socket: WebSocket, ready: () => void): void {
    this.#meter = new Meter();
    meterSocket(socket, this.#meter);
    void novnc.then(({ default: Rfb }) => {
      if (socket.readyState === WebSocket.CLOSING || socket.readyState === WebSocket.CLOSED) return;
      const rfb = new Rfb(this.#screen, socket, { shared: true });
      this.#rfb = rfb;
      this.keyboard.attach(rfb);
      countInDevicePixels(rfb);
      rfb.showDotCursor = true; // A text screen draws no pointer, and tells of none.
      rfb.background = 'transparent';
      this.#applyToRfb();
      rfb.addEventListener('connect', () => {
        this.#ghost.replaceChildren();
        ready();
        this.#completeCanvas();
        // Not away from a field or the terminal that somebody types into while the screen comes back.
        if (document.activeElement === null || document.activeElement === document.body) this.focus();
      });
      rfb.addEventListener('clipboard', ({ detail }) => {
        this.#change({ remoteClipboard: { text: detail.text, at: Date.now() } });
      });
      rfb.addEventListener('clippingviewport', ({ detail }) => this.#change({ isClipped: detail }));
    });
  }

  /** What noVNC leaves out on its canvas: a name for screen readers, and letting go of keys when the focus moves on. */
  #completeCanvas(): void {
    const canvas = this.#screen.querySelector('canvas');
    canvas?.setAttribute('role', 'application');
    canvas?.setAttribute('aria-label', text.session.page.canvas);
    // A key let go over a button of ours would stay down in the guest: noVNC releases all when the window loses the focus.
    canvas?.addEventListener('blur', letGo);
  }

  #detach(): void {
    const rfb = this.#rfb;
    this.#rfb = undefined;
    this.keyboard.detach();
    if (rfb === undefined) return;
    // The last picture stays, dimmed, until the new connection has one: nobody looks at an empty page meanwhile.
    const canvas = this.#screen.querySelector('canvas');
    rfb.disconnect();
    if (canvas !== null && 0 < canvas.width) {
      canvas.removeAttribute('role');
      canvas.removeAttribute('aria-label');
      canvas.setAttribute('aria-hidden', 'true');
      this.#ghost.replaceChildren(canvas);
    }
    this.#change({ framesPerSecond: 0, bytesPerSecond: 0, roundTripMs: undefined, isClipped: false });
  }

  #applyToRfb(): void {
    const rfb = this.#rfb;
    if (rfb === undefined) return;
    const { fit, isDragging, keyboard } = this.#settings;
    this.keyboard.choose(keyboard);
    const isViewOnly = this.#settings.isViewOnly || this.#snapshot.mode === 'view';
    if (isViewOnly && !rfb.viewOnly) letGo(); // noVNC would say nothing of the keys that it lets go of then.
    rfb.viewOnly = isViewOnly;
    Object.assign(rfb, fittingOf(fit, isTouch()));
    rfb.dragViewport = isDragging;
    rfb.qualityLevel = this.#snapshot.picture.quality;
    rfb.compressionLevel = this.#snapshot.picture.compression;
  }

  #tick(): void {
    if (this.#link.state.kind !== 'connected') return;
    const now = performance.now();
    const bytesPerSecond = this.#meter.bytesPerSecond(now);
    const mbit = measuredMbit(this.#meter.takeBursts(now));
    const isAuto = this.#settings.quality === 'auto';
    const picture = isAuto ? pictureFor(mbit, this.#snapshot.picture) : this.#snapshot.picture;
    const didPictureChange = picture !== this.#snapshot.picture;
    this.#change({
      bytesPerSecond,
      framesPerSecond: this.#meter.framesPerSecond(now),
      roundTripMs: this.#ping.roundTripMs,
      hasScancodes: takesScancodes(this.#rfb),
      hasKeptSize: this.#hasKeptSize(),
      picture,
    });
    if (didPictureChange) this.#applyToRfb();
    this.#ping.tick(now);
    this.#watchSilence(now, bytesPerSecond);
  }

  /** Asked for a while, in vain: the moment of a change is not counted. */
  #hasKeptSize(): boolean {
    const rfb = this.#rfb;
    if (rfb?.resizeSession !== true) this.#unheardTicks = 0;
    else {
      const { asked, has } = sizesOf(rfb);
      this.#unheardTicks = keptItsSize(asked, has) ? this.#unheardTicks + 1 : 0;
    }
    return UNHEARD_TICKS <= this.#unheardTicks;
  }

  /** A network that vanished sends no close: no bytes and unanswered pings together mean that it is gone. */
  #watchSilence(now: number, bytesPerSecond: number): void {
    if (0 < bytesPerSecond || !this.#ping.isFailing) this.#silentSince = now;
    else if (PingMonitor.LIMITS.deadAfterMs < now - this.#silentSince) {
      this.#silentSince = now;
      this.#link.suspect(text.session.link.silent);
    }
  }

  #change(part: Partial<DisplaySnapshot>): void {
    this.#snapshot = { ...this.#snapshot, ...part };
    for (const listener of this.#listeners) listener();
  }
}

/** Counts both directions without standing between noVNC and its socket. */
function meterSocket(socket: WebSocket, meter: Meter): void {
  socket.addEventListener('message', ({ data }) => {
    if (data instanceof ArrayBuffer) meter.received(data.byteLength, performance.now());
  });
  const send = socket.send.bind(socket);
  socket.send = (data) => {
    if (data instanceof Uint8Array) meter.sent(data, performance.now());
    send(data);
  };
}

/** noVNC lets go of every key when the window loses the focus. */
function letGo(): void {
  window.dispatchEvent(new Event('blur'));
}

function isTouch(): boolean {
  return window.matchMedia('(pointer: coarse)').matches;
}
