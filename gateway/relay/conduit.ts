/** A running connection between one viewer and one desktop, whatever is shown: a screen or a console. */
import type { ClipboardRefusal } from '../api/session.ts';
import type { Channel, ChannelEvents } from './stream/channel.ts';

/** Why it ended. The viewer's channel is still open unless the viewer went. */
export type ConduitEnd =
  | { readonly by: 'viewer'; readonly isGoodbye: boolean }
  | { readonly by: 'viewer-fault'; readonly reason: string }
  | { readonly by: 'vm'; readonly reason: string }
  | { readonly by: 'vm-fault'; readonly reason: string }
  | { readonly by: 'too-slow' }
  | { readonly by: 'us' };

export interface ConduitEvents {
  /** The viewer sees the desktop. */
  onReady(): void;
  /** Somebody typed, moved or pasted. */
  onInput(): void;
  /** Something was copied that does not pass. At most once a second. */
  onClipboardRefused(refusal: ClipboardRefusal): void;
  /** Once. */
  onEnd(end: ConduitEnd): void;
}

export interface Conduit {
  /** Payload, from and to the viewer. */
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Whether its input counts has changed: what it holds down is let go. */
  drivingChanged(): void;
  /** Ends it and tells the viewer why. */
  close(code: number, reason: string): void;
}

/** Makes the viewer's side once there is somebody to tell about it. */
export type OpenChannel = (events: ChannelEvents) => Channel;
