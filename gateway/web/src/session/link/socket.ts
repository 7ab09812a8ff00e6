/** Opens the WebSocket of a ticket. The ticket goes as a subprotocol, so that it is in no address, history or log. */
import { SESSION_PROTOCOL, type Ticket, ticketProtocol } from '../../../../api/ticket.ts';

/** `more`: what else is offered beside the ticket. */
export function openSocket({ ticket, socketPath }: Ticket, more: readonly string[] = []): WebSocket {
  const url = new URL(socketPath, window.location.href);
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  const socket = new WebSocket(url, [SESSION_PROTOCOL, ...more, ticketProtocol(ticket)]);
  socket.binaryType = 'arraybuffer';
  return socket;
}
