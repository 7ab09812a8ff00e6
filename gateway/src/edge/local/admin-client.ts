/**
 * Asking the gateway of this machine on its admin socket, for the command line: what it costs to load is what every verb waits
 * for, so it knows nothing of the side that answers.
 */
import { createConnection, type Socket } from 'node:net';
import path from 'node:path';
import type { Right } from '../../../api/rights.ts';
import { GatewayError } from '../../errors.ts';

/** What can be asked on the socket. */
export type AdminRequest =
  | { readonly verb: 'link'; readonly user?: string | undefined }
  | {
      readonly verb: 'token.create';
      readonly user: string;
      readonly name: string;
      readonly scopes: Right[];
      readonly expiresInDays: number;
    }
  | { readonly verb: 'unlock'; readonly user?: string | undefined }
  | { readonly verb: 'backup'; readonly file: string }
  | { readonly verb: 'access' };

export interface AdminReply {
  readonly link: { readonly user: string; readonly url: string; readonly expiresAt: string };
  readonly 'token.create': { readonly id: string; readonly token: string; readonly expiresAt: string };
  readonly unlock: { readonly unlocked: string };
  readonly backup: { readonly file: string; readonly rows: number };
  readonly access: {
    readonly url: string;
    readonly token: string;
    readonly ca?: string;
    /** The API's own unix socket. */
    readonly socketPath: string;
  };
}

const LINE_BYTES = 16_384;

/** Where the socket is. */
export function adminSocketPath(dataFolder: string): string {
  return path.join(dataFolder, 'run', 'admin.sock');
}

/**
 * Where the API is for the account of the gateway on this machine: no name, certificate or proxy stands between the command
 * line and the gateway there.
 */
export function ownSocketPath(dataFolder: string): string {
  return path.join(dataFolder, 'run', 'api.sock');
}

/** Asks the gateway of a data folder. UNAVAILABLE: none runs there (or not under this account). */
export async function askAdmin<V extends AdminRequest['verb']>(
  dataFolder: string,
  request: Extract<AdminRequest, { verb: V }>,
): Promise<AdminReply[V]> {
  const socket = createConnection(adminSocketPath(dataFolder));
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', (cause) =>
        reject(new GatewayError('UNAVAILABLE', `no gateway answers in ${dataFolder}`, { cause })),
      );
    });
    socket.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await readLine(socket)) as {
      reply?: AdminReply[V];
      error?: { code: GatewayError['code']; message: string };
    };
    if (answer.error !== undefined) throw new GatewayError(answer.error.code, answer.error.message);
    if (answer.reply === undefined) throw new GatewayError('UNAVAILABLE', 'the gateway gave no answer');
    return answer.reply;
  } finally {
    socket.destroy();
  }
}

/** The first line that comes. Errors: TOO_LARGE, BAD_REQUEST. */
export async function readLine(socket: Socket): Promise<string> {
  let text = '';
  for await (const chunk of socket.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    text += chunk.toString('utf8');
    if (LINE_BYTES < text.length) throw new GatewayError('TOO_LARGE', 'the request is too long');
    const end = text.indexOf('\n');
    if (end !== -1) return text.slice(0, end);
  }
  throw new GatewayError('BAD_REQUEST', 'the request has no end');
}
