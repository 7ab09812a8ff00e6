/**
 * The broker between a viewer and a VM that both speak RFB: a handshake with each, the VM's secret on its side only
 * (NO-SECRET-OUT), then messages filtered by policy. A value machine: it knows no socket and no timer.
 */
import type { ClipboardRefusal } from '../../api/session.ts';
import { type Conversation, ConversationError } from '../stream/conversation.ts';
import type { Keyboard } from './held-keys.ts';
import type { RfbPolicy } from './policy.ts';
import { encodeServerInit } from './protocol.ts';
import { VERSION_3_8, ViewerHandshake } from './viewer-handshake.ts';
import { ViewerMessages } from './viewer-messages.ts';
import { type VmCredentials, VmHandshake } from './vm-handshake.ts';
import { VmMessages } from './vm-messages.ts';

export interface RfbEvents {
  /** Somebody typed, moved or pasted. */
  onInput(): void;
  /** Both handshakes are done: the session is live. */
  onReady(width: number, height: number): void;
  onSize(width: number, height: number): void;
  /** A text did not pass. What was there before is there still. */
  onClipboardRefused(refusal: ClipboardRefusal): void;
}

export interface RfbOptions {
  readonly policy: RfbPolicy;
  /** The VM's, which its viewers share. */
  readonly keyboard: Keyboard;
  /** Shown to the viewer as the desktop's name. The VM's own is its host's business. */
  readonly desktopName: string;
  /** Whether what the VM says is walked. Without it nothing that the VM sends can be kept back. */
  readonly isWalked: boolean;
  readonly now: () => number;
  readonly events: RfbEvents;
}

export class RfbConversation implements Conversation {
  readonly forVm: Buffer[] = [];
  readonly forViewer: Buffer[] = [VERSION_3_8];
  readonly #options: RfbOptions;
  readonly #viewer = new ViewerHandshake();
  #vm: VmHandshake | undefined;
  #viewerMessages: ViewerMessages | undefined;
  #vmMessages: VmMessages | undefined;
  #isReady = false;
  #wantsRelease = false;

  constructor(options: RfbOptions) {
    this.#options = options;
  }

  /** From here on there is a VM to talk to. The viewer's own handshake needs none and may have begun. */
  meetVm(credentials: VmCredentials): void {
    this.#vm = new VmHandshake(credentials);
  }

  /** The VM waits for TLS: put it under the stream, check the certificate, and call `tlsIsUp`. */
  get wantsTls(): boolean {
    return this.#vm?.step === 'tls';
  }

  tlsIsUp(): void {
    this.forVm.push(...(this.#vm?.tlsIsUp() ?? []));
  }

  /** True: nothing may be read from the VM now, since there is no viewer yet that could take it. */
  get holdsVm(): boolean {
    return !this.#isReady && this.#vm?.step === 'done';
  }

  /** Lets go of the keys that this viewer holds down, at the next end of a message. */
  releaseKeys(): void {
    this.#wantsRelease = this.#viewerMessages?.releaseKeys() === false;
  }

  /** Nothing more will be said. */
  end(): void {
    this.#viewerMessages?.end();
  }

  fromViewer(bytes: Buffer): number {
    if (this.#viewerMessages !== undefined) {
      if (this.#wantsRelease) this.releaseKeys();
      return this.#viewerMessages.filter(bytes);
    }
    // ServerInit has not been sent, so the viewer may not say a thing.
    if (this.#viewer.isDone) throw new ConversationError('viewer', 'a message before ServerInit');
    this.forViewer.push(...this.#viewer.receive(bytes));
    this.#tryReady();
    return 0;
  }

  fromVm(whole: Buffer, from: number, to: number): number {
    if (this.#isReady) return this.#vmMessages?.filter(whole, from, to) ?? to;
    if (this.#vm !== undefined) this.forVm.push(...this.#vm.receive(whole.subarray(from, to)));
    this.#tryReady();
    return from;
  }

  #tryReady(): void {
    const init = this.#vm?.serverInit;
    if (init === undefined || !this.#viewer.isDone || this.#isReady) return;
    this.#isReady = true;
    const { policy, keyboard, events, isWalked, desktopName, now } = this.#options;
    if (isWalked) {
      this.#vmMessages = new VmMessages(
        init,
        policy,
        {
          onSize: (width, height) => events.onSize(width, height),
          onLargeMouse: () => this.#viewerMessages?.expectLargeMouse(),
          onClipboardRefused: (refusal) => events.onClipboardRefused(refusal),
        },
        this.forViewer,
      );
    }
    this.#viewerMessages = new ViewerMessages(
      {
        policy,
        keyboard,
        isWalked,
        now,
        pixelFormat: init.pixelFormat,
        events: {
          onInput: () => events.onInput(),
          onPixelFormat: (format) => this.#vmMessages?.setPixelFormat(format),
          onClipboardRefused: (refusal) => events.onClipboardRefused(refusal),
        },
      },
      this.forVm,
    );
    this.forViewer.push(encodeServerInit({ ...init, name: desktopName }));
    events.onReady(init.width, init.height);
    this.#passRest();
  }

  /** What the VM said right behind ServerInit: a bell, say. */
  #passRest(): void {
    const rest = this.#vm?.takeRest();
    if (rest === undefined || rest.byteLength === 0) return;
    const whole = Buffer.from(rest);
    const end = this.#vmMessages?.filter(whole, 0, whole.byteLength) ?? whole.byteLength;
    if (0 < end) this.forViewer.push(whole.subarray(0, end));
  }
}
