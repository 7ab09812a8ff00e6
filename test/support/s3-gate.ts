/** A gate in front of an S3 server, where tests put what networks and other servers do: cuts, delays, refusals, TLS. */
import { createServer, type IncomingMessage, type RequestListener, request, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What happens to a request. The signature covers it, so it goes on as it came. */
export interface Passing {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Asks the server and gives the answer on, changed or cut off where a test wants it. */
  readonly pass: (change?: (answer: IncomingMessage, send: () => void) => void) => void;
}

export interface Gate {
  readonly port: number;
  close(): Promise<void>;
}

export async function openGate(
  to: number,
  handle: (passing: Passing) => void,
  tls?: { readonly cert: string; readonly key: string },
): Promise<Gate> {
  const listener: RequestListener = (incoming, response) => {
    const pass: Passing['pass'] = (change = (_answer, send) => send()) => {
      const { method, headers, url: path } = incoming;
      const outgoing = request({ host: '127.0.0.1', port: to, method, headers, path, setHost: false }, (answer) => {
        change(answer, () => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        });
      });
      // Swift sends a text after the headers of a HEAD that found nothing: by then the answer is there.
      outgoing.on('error', () => response.headersSent || response.destroy());
      incoming.pipe(outgoing);
    };
    handle({ request: incoming, response, pass });
  };
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

/** An error as S3 says it. */
export function refuse(response: ServerResponse, status: number, code: string, more = ''): void {
  response.writeHead(status, { 'content-type': 'application/xml' });
  response.end(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message>${more}</Error>`);
}
