/**
 * Where browsers open their sessions: the WebSocket at `/ws/session`. The upgrade is answered, the ticket redeemed, the
 * session connected. A page cannot read the status of a refused upgrade, so what it should know comes as a close code.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import type { DisplayEndpoint } from '@oriel/hosts';
import { CONSOLE_PROTOCOL, positionOf } from '../../../api/console.ts';
import { SESSION_CLOSE, SESSION_PROTOCOL, SESSION_SOCKET_PATH, ticketOf } from '../../../api/ticket.ts';
import { type OpenChannel } from '../../../relay/conduit.ts';
import { rfbPolicy } from '../../../relay/rfb/policy.ts';
import { openDisplay, type RelayShare } from '../../../relay/rfb/rfb-session.ts';
import type { Consoles } from '../../../relay/serial/consoles.ts';
import { encodeClose } from '../../../relay/stream/frame.ts';
import { acceptResponse, answerUpgrade, refuseResponse } from '../../../relay/stream/handshake.ts';
import { sayLast, WsChannel } from '../../../relay/stream/ws-channel.ts';
import type { WorkerPool } from '../../../relay/workers/pool.ts';
import type { Logger } from '../../log.ts';
import type { UpgradeHandler, UpgradeRequest } from '../../platform/api/bind.ts';
import type { AuditLines } from '../sessions/audit-lines.ts';
import type { DesktopPort } from '../sessions/ports.ts';
import type { Sessions } from '../sessions/sessions.ts';

export interface SessionSocketDeps {
  readonly sessions: Sessions;
  readonly desktops: DesktopPort;
  readonly consoles: Consoles;
  /** Relay workers; without them every session is relayed in this process. */
  readonly workers: WorkerPool | undefined;
  readonly share: RelayShare;
  readonly audit: AuditLines;
  readonly log: Logger;
  readonly now: () => number;
}

export function sessionSocket(deps: SessionSocketDeps): UpgradeHandler {
  return { path: SESSION_SOCKET_PATH, handle: (request) => handle(deps, request) };
}

function handle(deps: SessionSocketDeps, request: UpgradeRequest): void {
  const socket = request.socket as Socket;
  const answer = answerUpgrade({
    method: request.incoming.method,
    httpVersion: request.incoming.httpVersion,
    headers: request.incoming.headers,
  });
  if (answer.kind === 'refuse') {
    sayLast(socket, refuseResponse(answer.status, answer.reason, answer.headers));
    return;
  }
  const wantsHello = answer.protocols.includes(CONSOLE_PROTOCOL);
  const chosen = [CONSOLE_PROTOCOL, SESSION_PROTOCOL].find((protocol) => answer.protocols.includes(protocol));
  socket.cork(); // The answer and the first frame leave together.
  process.nextTick(() => socket.uncork());
  // As bytes, like the frame: mixed with text, what leaves together costs a copy of both.
  socket.write(Buffer.from(acceptResponse(answer.accept, chosen), 'latin1'));
  const refuse = (code: number, reason: string, why: string): void => {
    const entry = {
      actor: { id: request.principal?.userId ?? null, name: request.principal?.name ?? '-', via: 'ticket' },
      action: 'ticket.redeem',
      outcome: 'refused',
      address: request.address,
      requestId: request.requestId,
      detail: { why },
    } as const;
    deps.audit.write(entry);
    sayLast(socket, encodeClose(code, reason));
  };
  const ticket = ticketOf(answer.protocols);
  if (ticket === undefined) return refuse(SESSION_CLOSE.TICKET, 'ticket', 'none');
  const redeemed = deps.sessions.tickets.redeem(ticket, {
    userId: request.principal?.userId,
    via: request.principal?.via,
    address: request.address,
  });
  if (redeemed.kind === 'refused') return refuse(SESSION_CLOSE.TICKET, 'ticket', redeemed.why);
  if (!deps.sessions.hasRoomFor(request.address)) return refuse(SESSION_CLOSE.LIMIT, 'limit', 'address');
  const { workers } = deps;
  const opened = deps.sessions.open(redeemed.grant, request.address, (session, events) => {
    const openChannel: OpenChannel = (channelEvents) => new WsChannel(socket, request.head, channelEvents);
    const { facts } = session;
    const isDriving = (): boolean => session.isDriving;
    const endpoint = (): Promise<DisplayEndpoint> => deps.desktops.endpoint(facts.desktopId, facts.kind);
    const common = { events, endpoint, isDriving };
    const { desktopId, desktopName, policy } = facts;
    // A connection that this process ends TLS on cannot be handed over (behind a front it can); a console is shared between its viewers, here; and whoever looks at a
    // desktop that somebody looks at in this process shares its keyboard.
    const canHandOver =
      facts.kind === 'display' && !(socket instanceof TLSSocket) && !deps.share.keyboards.has(desktopId);
    if (workers !== undefined && canHandOver) {
      session.conduit = workers.open({ ...common, viewer: socket, head: request.head, desktopId, desktopName, policy });
      if (session.conduit !== undefined) return;
    }
    session.conduit =
      facts.kind === 'serial'
        ? deps.consoles.open({
            ...common,
            openChannel,
            desktopId,
            sessionId: session.id,
            canSeeBefore: session.canLookBack,
            wantsHello,
            from: positionOf(answer.protocols),
          })
        : openDisplay({
            ...common,
            openChannel,
            share: deps.share,
            desktopId,
            desktopName,
            policy: rfbPolicy(policy, isDriving),
            isWalked: true,
            bandwidthBytesPerSecond: policy.bandwidthBytesPerSecond,
            now: deps.now,
          });
  });
  if (opened === undefined) refuse(SESSION_CLOSE.ENDED, 'ended', 'ended');
}
