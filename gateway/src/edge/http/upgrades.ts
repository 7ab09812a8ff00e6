/** Dispatches WebSocket upgrades: judges the Origin, finds out who asks, hands over. Frames are the handler's business. */
import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { sayLast } from '../../../relay/stream/ws-channel.ts';
import { asGatewayError, GatewayError } from '../../errors.ts';
import type { AuditEntry } from '../../identity/audit/audit-log.ts';
import type { Refusals } from '../../identity/audit/refusals.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import type { UpgradeHandler } from '../../platform/api/bind.ts';
import type { Principal } from '../../platform/rights/rights.ts';
import {
  authenticate,
  type EdgeRules,
  hintOf,
  openExchange,
  refuseForeign,
  refuseManyHeaders,
} from '../api/exchange.ts';
import { problemOf } from '../api/problem.ts';
import { actorOf } from '../api/route-handler.ts';

export interface UpgradeDeps {
  readonly auth: Auth;
  readonly refusals: Refusals;
  readonly rules: EdgeRules;
  readonly handlers: readonly UpgradeHandler[];
}

export function onUpgrade(deps: UpgradeDeps): (incoming: IncomingMessage, socket: Duplex, head: Buffer) => void {
  return (incoming, socket, head) => {
    socket.on('error', () => socket.destroy()); // Until the handler has its own listener; a reset is nobody's fault.
    const exchange = openExchange(incoming, deps.rules);
    const refuse = (thrown: unknown): void => {
      const error = asGatewayError(thrown);
      exchange.log.info(
        {
          code: error.code,
          reason: error.message,
          path: pathOf(incoming),
          address: exchange.address,
          ...hintOf(exchange, error),
        },
        'upgrade.refused',
      );
      count({ action: 'socket.open', target: pathOf(incoming), code: error.code });
      endWith(socket, error, exchange.requestId);
    };
    const count = (what: Pick<AuditEntry, 'action' | 'target' | 'code' | 'detail'>, by?: Principal): void => {
      const { address, requestId, log } = exchange;
      deps.refusals
        .write({ ...what, actor: actorOf(by), outcome: 'refused', address, requestId })
        .catch((cause: unknown) => log.error({ err: cause }, 'audit.failed'));
    };
    void (async () => {
      try {
        refuseManyHeaders(incoming);
        refuseForeign(exchange);
        const handler = deps.handlers.find(({ path }) => isBelow(pathOf(incoming), path));
        if (handler === undefined) throw new GatewayError('NOT_FOUND', 'there is no such socket');
        const principal = await authenticate(incoming, exchange, deps.auth, true);
        const { requestId, address, isSecure, log } = exchange;
        const url = new URL(incoming.url ?? '/', 'http://path.invalid');
        const origin = exchange.origin === 'same' ? 'same' : 'absent';
        await handler.handle({
          incoming,
          socket,
          head,
          url,
          origin,
          principal,
          address,
          isSecure,
          requestId,
          log,
          refuse,
          refused: (action, detail) => count({ action, detail }, principal),
        });
      } catch (error) {
        refuse(error);
      }
    })();
  };
}

function pathOf(incoming: IncomingMessage): string {
  return (incoming.url ?? '/').split('?')[0] ?? '/';
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

function endWith(socket: Duplex, error: GatewayError, requestId: string): void {
  if (!socket.writable) return;
  const body = JSON.stringify(problemOf(error, requestId));
  const retry = error.retryAfterSeconds === undefined ? '' : `Retry-After: ${error.retryAfterSeconds}\r\n`;
  sayLast(
    socket as Socket,
    `HTTP/1.1 ${error.status} ${STATUS_CODES[error.status]}\r\nConnection: close\r\nContent-Type: application/problem+json\r\n` +
      `${retry}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  );
}
