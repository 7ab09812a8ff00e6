/** What the gateway and its relay workers say to each other over IPC. Sockets travel beside `viewer` and `vm`. */
import type { DisplayEndpoint } from '@oriel/hosts';
import type { ClipboardRefusal, SessionPolicy } from '../../api/session.ts';
import type { ConduitEnd } from '../conduit.ts';

export type ToWorker =
  /** The browser's socket; `head` (base64) was read from it already. */
  | {
      readonly kind: 'viewer';
      readonly id: number;
      readonly head: string;
      readonly desktopId: string;
      readonly desktopName: string;
      readonly policy: SessionPolicy;
      readonly isDriving: boolean;
      readonly secret: string | undefined;
      readonly userName: string | undefined;
      readonly tls: DisplayEndpoint['tls'];
    }
  /** The VM's socket, for the viewer that was sent before. */
  | { readonly kind: 'vm'; readonly id: number; readonly head: string }
  | { readonly kind: 'driving'; readonly id: number; readonly isDriving: boolean }
  | { readonly kind: 'close'; readonly id: number; readonly code: number; readonly reason: string };

export type FromWorker =
  | { readonly kind: 'up' }
  | { readonly kind: 'ready'; readonly id: number }
  /** At most once in `inputEveryMs` for each session. */
  | { readonly kind: 'input'; readonly id: number }
  | { readonly kind: 'clipboard-refused'; readonly id: number; readonly refusal: ClipboardRefusal }
  | { readonly kind: 'moved'; readonly counts: readonly (readonly [id: number, bytesIn: number, bytesOut: number])[] }
  | {
      readonly kind: 'end';
      readonly id: number;
      readonly end: ConduitEnd;
      readonly bytesIn: number;
      readonly bytesOut: number;
    };

export const WORKER_LIMITS = { inputEveryMs: 1000, countsEveryMs: 1000, dialMs: 10_000, restartMs: 500 } as const;
