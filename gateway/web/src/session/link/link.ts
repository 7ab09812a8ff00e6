/**
 * Keeps one WebSocket of a session alive: asks for a ticket, opens the socket, and when it drops says so and comes back
 * with a fresh ticket, without a reload. Knows nothing of RFB, terminals or React.
 */
import type { Ticket } from '../../../../api/ticket.ts';
import { text } from '../../text/text.ts';
import { type AfterClose, afterClose } from './close-reason.ts';
import { RECONNECT, retryDelayMs } from './reconnect.ts';

export type LinkState =
  | { readonly kind: 'opening' }
  | { readonly kind: 'connected' }
  /** Lost; the next attempt starts in `delayMs`. */
  | { readonly kind: 'waiting'; readonly why: string; readonly attempt: number; readonly delayMs: number }
  /** Lost; an attempt is under way. */
  | { readonly kind: 'retrying'; readonly why: string; readonly attempt: number }
  | { readonly kind: 'ended'; readonly why: string; readonly canReopen: boolean };

export interface LinkDeps {
  /** A fresh ticket: for a new session the first time, for the same session afterwards. */
  readonly ticket: (signal: AbortSignal) => Promise<Ticket>;
  /** What a refused ticket means. */
  readonly afterRefusal: (error: unknown) => AfterClose;
  readonly openSocket: (ticket: Ticket) => WebSocket;
  /** Puts a screen or a terminal on the socket; calls `ready` once that works. */
  readonly attach: (socket: WebSocket, ready: () => void) => void;
  /** The socket is gone: take off what `attach` put on. */
  readonly detach: () => void;
  readonly onState: (state: LinkState) => void;
  readonly random: () => number;
  /** Runs `task` after `ms`; gives what cancels it. */
  readonly schedule: (task: () => void, ms: number) => () => void;
}

const UNOPENED = { telling: 3 } as const;

export class Link {
  readonly #deps: LinkDeps;
  #state: LinkState = { kind: 'opening' };
  #attempt = 0;
  /** Sockets in a row that closed before they were open. */
  #unopened = 0;
  #socket: WebSocket | undefined;
  #abort: AbortController | undefined;
  #cancelWait: () => void = () => undefined;
  #isStopped = false;
  #isHeld = false;

  constructor(deps: LinkDeps) {
    this.#deps = deps;
  }

  get state(): LinkState {
    return this.#state;
  }

  start(): void {
    this.#isStopped = false;
    this.#attempt = 0;
    this.#set({ kind: 'opening' });
    void this.#connect();
  }

  /** The person, or the browser's `online` event, does not want to wait. */
  retryNow(): void {
    if (this.#state.kind !== 'waiting') return;
    this.#cancelWait();
    this.#retry(this.#state.why);
  }

  /** There is nothing to connect to for now: attempts come seldom until there is. */
  hold(isHeld: boolean): void {
    if (this.#isHeld === isHeld) return;
    this.#isHeld = isHeld;
    if (!isHeld) this.retryNow();
  }

  /** The network answers nothing although the socket looks open: treat it as dropped. */
  suspect(why: string): void {
    if (this.#state.kind !== 'connected') return;
    this.#drop();
    this.#lost({ kind: 'retry', why });
  }

  /** Leaves for good: closes the socket and starts nothing any more. */
  stop(): void {
    this.#isStopped = true;
    this.#cancelWait();
    this.#abort?.abort();
    this.#drop();
  }

  async #connect(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    try {
      const ticket = await this.#deps.ticket(abort.signal);
      if (abort.signal.aborted) return;
      this.#listen(this.#deps.openSocket(ticket));
    } catch (error) {
      if (!abort.signal.aborted) this.#lost(this.#deps.afterRefusal(error));
    }
  }

  #listen(socket: WebSocket): void {
    this.#socket = socket;
    let hasOpened = false;
    socket.addEventListener('open', () => {
      hasOpened = true;
      this.#unopened = 0;
    });
    socket.addEventListener('close', (event) => {
      if (this.#socket !== socket) return;
      this.#drop();
      if (!hasOpened) this.#unopened += 1;
      // The ticket came over HTTP each time, the socket never: that is no network that went.
      const after = afterClose(event.code);
      const isBlocked = UNOPENED.telling <= this.#unopened && after.kind === 'retry';
      this.#lost(isBlocked ? { kind: 'retry', why: text.session.link.noWebSocket } : after);
    });
    this.#deps.attach(socket, () => {
      if (this.#socket !== socket) return;
      this.#attempt = 0;
      this.#set({ kind: 'connected' });
    });
  }

  #drop(): void {
    const socket = this.#socket;
    if (socket === undefined) return;
    this.#socket = undefined;
    this.#deps.detach();
    socket.close();
  }

  #lost(after: AfterClose): void {
    if (after.kind === 'ended') {
      this.#set(after);
      return;
    }
    const delayMs = this.#isHeld ? RECONNECT.heldMs : retryDelayMs(this.#attempt, this.#deps.random());
    this.#set({ kind: 'waiting', why: after.why, attempt: this.#attempt, delayMs });
    this.#cancelWait = this.#deps.schedule(() => this.#retry(after.why), delayMs);
  }

  #retry(why: string): void {
    this.#attempt += 1;
    this.#set({ kind: 'retrying', why, attempt: this.#attempt });
    void this.#connect();
  }

  #set(state: LinkState): void {
    this.#state = state;
    if (!this.#isStopped) this.#deps.onState(state);
  }
}
