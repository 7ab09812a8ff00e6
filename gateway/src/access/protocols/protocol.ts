/** A protocol: how a session's channel is made, from what a door brings and the way to the desktop. */
import type { Socket } from 'node:net';
import type { DisplayEndpoint } from '@oriel/hosts';
import type { ConsolePosition } from '../../../api/console.ts';
import type { DesktopView } from '../../../api/desktop.ts';
import type { SessionPolicy } from '../../../api/session.ts';
import type { Conduit, ConduitEvents, OpenChannel } from '../../../relay/conduit.ts';

/** Somebody at a door. */
export interface Client {
  readonly openChannel: OpenChannel;
  /** Its plain socket and what was read of it, where another process could have them instead. */
  readonly handOver: { readonly socket: Socket; readonly head: Buffer } | undefined;
  /** It counts the bytes of a console: wants to be told where it stands, and may know where it broke off. */
  readonly wantsHello: boolean;
  readonly from: ConsolePosition | undefined;
}

/** A session's side of it. */
export interface Opening {
  readonly sessionId: string;
  readonly desktopId: string;
  readonly desktopName: string;
  readonly policy: SessionPolicy;
  readonly canLookBack: boolean;
  readonly isDriving: () => boolean;
  readonly endpoint: () => Promise<DisplayEndpoint>;
  readonly events: ConduitEvents;
  readonly client: Client;
}

export interface Protocol {
  /** Begins at once; what comes of it is told through the events. */
  open(opening: Opening): Conduit;
}

/** One for each way to look at a desktop. */
export type Protocols = Readonly<Record<DesktopView, Protocol>>;
