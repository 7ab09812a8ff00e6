/** A relay worker: a process that gets the two sockets of a session and does what the gateway would do with them. */

import type { OnReadOpts } from 'node:net';
import { Socket } from 'node:net';
import type { Conduit } from '../conduit.ts';
import { rfbPolicy } from '../rfb/policy.ts';
import { openDisplay, RelayShare } from '../rfb/rfb-session.ts';
import { WsChannel } from '../stream/ws-channel.ts';
import { type FromWorker, type ToWorker, WORKER_LIMITS } from './messages.ts';

interface Session {
  readonly conduit: Conduit;
  readonly vm: (socket: Socket, head: Buffer) => void;
  isDriving: boolean;
  bytesIn: number;
  bytesOut: number;
}

const share = new RelayShare();
const sessions = new Map<number, Session>();

function tell(message: FromWorker): void {
  process.send?.(message, undefined, undefined, () => {}); // Where the gateway has gone, so do we: see 'disconnect'.
}

function begin(message: Extract<ToWorker, { kind: 'viewer' }>, viewer: Socket): void {
  const { id, policy, desktopId, desktopName, secret, userName, tls } = message;
  let lastInput = 0;
  let gotVm: (socket: Socket) => void = () => {};
  const vm = new Promise<Socket>((resolve) => (gotVm = resolve));
  let vmHead: Buffer = Buffer.alloc(0);
  const dial = async ({ onread }: { onread?: OnReadOpts } = {}): Promise<Socket> => {
    const socket = withOnread(await vm, onread);
    // What the gateway has read of it comes first; the VM says nothing more until it is answered.
    setImmediate(() => socket.emit('data', vmHead));
    return socket;
  };
  const conduit = openDisplay({
    share,
    openChannel: (events) => new WsChannel(viewer, Buffer.from(message.head, 'base64'), events),
    endpoint: async () => ({
      kind: 'rfb',
      expires: Date.now() + WORKER_LIMITS.dialMs,
      dial,
      ...(secret === undefined ? {} : { oneTimeSecret: secret }),
      ...(userName === undefined ? {} : { userName }),
      ...(tls === undefined ? {} : { tls }),
    }),
    desktopId,
    desktopName,
    policy: rfbPolicy(policy, () => session.isDriving),
    isWalked: true,
    bandwidthBytesPerSecond: policy.bandwidthBytesPerSecond,
    now: Date.now,
    events: {
      onReady: () => tell({ kind: 'ready', id }),
      onInput: () => {
        const now = Date.now();
        if (now - lastInput < WORKER_LIMITS.inputEveryMs) return;
        lastInput = now;
        tell({ kind: 'input', id });
      },
      onClipboardRefused: (refusal) => tell({ kind: 'clipboard-refused', id, refusal }),
      onEnd: (end) => {
        tell({ kind: 'end', id, end, bytesIn: conduit.bytesIn, bytesOut: conduit.bytesOut });
        if (end.by === 'viewer' || end.by === 'us') sessions.delete(id); // Else the gateway says how to close it.
      },
    },
  });
  const session: Session = {
    conduit,
    isDriving: message.isDriving,
    bytesIn: 0,
    bytesOut: 0,
    vm: (socket, head) => {
      vmHead = head;
      gotVm(socket);
    },
  };
  sessions.set(id, session);
}

/**
 * A socket that came over IPC has no read buffers of ours, and there is no public way to give it any: its handle goes into
 * a new Socket. Where a later Node has no such handle, the socket is used as it is, at twice the CPU.
 */
function withOnread(socket: Socket, onread: OnReadOpts | undefined): Socket {
  const { _handle: handle } = socket as unknown as { _handle?: object };
  if (handle === undefined || onread === undefined) return socket;
  return new Socket({ handle, onread } as unknown as ConstructorParameters<typeof Socket>[0]);
}

process.on('message', (message: ToWorker, socket: Socket | undefined) => {
  const session = sessions.get(message.id);
  switch (message.kind) {
    case 'viewer':
      if (socket === undefined)
        tell({ kind: 'end', id: message.id, end: { by: 'viewer', isGoodbye: false }, bytesIn: 0, bytesOut: 0 });
      else begin(message, socket);
      return;
    case 'vm':
      if (socket === undefined) return session?.conduit.close(1011, 'vm-away');
      if (session === undefined) return void socket.destroy();
      return session.vm(socket, Buffer.from(message.head, 'base64'));
    case 'driving':
      if (session === undefined) return;
      session.isDriving = message.isDriving;
      return session.conduit.drivingChanged();
    case 'close':
      session?.conduit.close(message.code, message.reason);
      sessions.delete(message.id);
      return;
  }
});

setInterval(() => {
  const counts: [number, number, number][] = [];
  for (const [id, session] of sessions) {
    const { bytesIn, bytesOut } = session.conduit;
    if (bytesIn === session.bytesIn && bytesOut === session.bytesOut) continue;
    session.bytesIn = bytesIn;
    session.bytesOut = bytesOut;
    counts.push([id, bytesIn, bytesOut]);
  }
  if (0 < counts.length) tell({ kind: 'moved', counts });
}, WORKER_LIMITS.countsEveryMs);

// One brain: without the gateway nobody could end these sessions.
process.on('disconnect', () => process.exit(0));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => {}); // The gateway decides; Ctrl-C reaches us too.
tell({ kind: 'up' });
