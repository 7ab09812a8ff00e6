/**
 * Where browsers open their sessions: the WebSocket at `/ws/session`. The upgrade is answered, then whoever came goes the
 * way of all doors (sessions/enter.ts). A page cannot read the status of a refused upgrade, so what it should know comes as
 * a close code.
 */
import type { Socket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { CONSOLE_PROTOCOL, positionOf } from '../../../api/console.ts';
import { SESSION_PROTOCOL, SESSION_SOCKET_PATH, ticketOf } from '../../../api/ticket.ts';
import { encodeClose } from '../../../relay/stream/frame.ts';
import { acceptResponse, answerUpgrade, refuseResponse } from '../../../relay/stream/handshake.ts';
import { sayLast, WsChannel } from '../../../relay/stream/ws-channel.ts';
import type { UpgradeHandler, UpgradeRequest } from '../../platform/api/bind.ts';
import { type EnterDeps, enter } from '../sessions/enter.ts';

export function sessionSocket(deps: EnterDeps): UpgradeHandler {
  return { path: SESSION_SOCKET_PATH, handle: (request) => handle(deps, request) };
}

function handle(deps: EnterDeps, request: UpgradeRequest): void {
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
  const { protocols } = answer;
  const chosen = [CONSOLE_PROTOCOL, SESSION_PROTOCOL].find((protocol) => protocols.includes(protocol));
  socket.cork(); // The answer and the first frame leave together.
  process.nextTick(() => socket.uncork());
  // As bytes, like the frame: mixed with text, what leaves together costs a copy of both.
  socket.write(Buffer.from(acceptResponse(answer.accept, chosen), 'latin1'));
  const { head, principal, address } = request;
  const entered = enter(
    deps,
    ticketOf(protocols),
    { userId: principal?.userId, via: principal?.via, address },
    {
      openChannel: (events) => new WsChannel(socket, head, events),
      // A connection that this process ends TLS on cannot be handed over.
      handOver: socket instanceof TLSSocket ? undefined : { socket, head },
      wantsHello: protocols.includes(CONSOLE_PROTOCOL),
      from: positionOf(protocols),
    },
  );
  if (entered.kind === 'in') return;
  request.refused('ticket.redeem', { why: entered.why });
  sayLast(socket, encodeClose(entered.code, entered.reason));
}
