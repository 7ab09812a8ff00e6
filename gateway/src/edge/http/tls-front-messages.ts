/** What the gateway and its TLS fronts say to each other over IPC. The browser's socket travels beside `connection`. */
import type { SecureContextOptions } from 'node:tls';

export type ToFront =
  /** First of all, and again at each new certificate. NO-SECRET-OUT: the key goes to our own child, and only this way. */
  | {
      readonly kind: 'settings';
      readonly context: Readonly<SecureContextOptions>;
      /** 48 bytes, base64: the same for every front, so that a ticket of one is good at all of them. */
      readonly ticketKeys: string;
      /** The unix socket of the gateway. */
      readonly path: string;
      readonly handshakeTimeoutMs: number;
      /** A browser that the gateway is done with, and that takes none of what is left. */
      readonly lingerMs: number;
      /** What is left for all of them when the gateway ends. */
      readonly endMs: number;
    }
  /** `token` is what the connection to `path` opens with. */
  | { readonly kind: 'connection'; readonly id: number; readonly token: string };

export type FromFront = { readonly kind: 'up' } | { readonly kind: 'gone'; readonly id: number };
