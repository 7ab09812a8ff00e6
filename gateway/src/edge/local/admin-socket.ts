/**
 * The admin's way in on the machine itself: a unix socket that only the gateway's own account can open. It works whatever
 * state passwords are in. One JSON line in, one JSON line out.
 */
import { createServer, type Socket } from 'node:net';
import path from 'node:path';
import { listenPrivately, MachineError, makePrivateFolder } from '@oriel/machine';
import { z } from 'zod';
import { AUTH_LIMITS } from '../../../api/auth.ts';
import { plainText } from '../../../api/plain-text.ts';
import { RIGHTS, Right } from '../../../api/rights.ts';
import { asGatewayError, GatewayError, StartError } from '../../errors.ts';
import { LINK_LIMITS, linkUrl } from '../../identity/credentials/one-time-links.ts';
import type { Account } from '../../identity/people/accounts.ts';
import type { Auth } from '../../identity/sign-in/auth.ts';
import { backupStore } from '../../platform/store/backup.ts';
import { iso } from '../../platform/store/time.ts';
import { type AdminReply, type AdminRequest, adminSocketPath, ownSocketPath, readLine } from './admin-client.ts';

const userName = z.string().max(AUTH_LIMITS.nameChars);

const adminRequest = z.discriminatedUnion('verb', [
  /** A one-time sign-in link, for the first admin where no user is named. */
  z.object({ verb: z.literal('link'), user: userName.optional() }),
  z.object({
    verb: z.literal('token.create'),
    user: userName,
    name: plainText(AUTH_LIMITS.nameChars),
    scopes: z.array(Right).min(1),
    expiresInDays: z.int().min(1).max(AUTH_LIMITS.tokenMaxDays),
  }),
  /** Forgets failed sign-ins: of one account, or of everybody and every address. */
  z.object({ verb: z.literal('unlock'), user: userName.optional() }),
  z.object({ verb: z.literal('backup'), file: z.string().max(4096) }),
  /** Where the API is, and a token for the command line of this account. */
  z.object({ verb: z.literal('access') }),
]);

const LIMITS = { timeoutMs: 10_000, backupMs: 600_000, accessDays: 1 } as const;
const LOCAL = { id: null, name: 'local account', via: 'local' } as const;

export interface AdminServerOptions {
  readonly auth: Auth;
  readonly dataFolder: string;
  /** PEM of a self-signed certificate, so that the command line of this machine trusts it. */
  readonly ca?: string | undefined;
}

export async function serveAdmin(options: AdminServerOptions): Promise<{ close(): Promise<void> }> {
  const file = adminSocketPath(options.dataFolder);
  makePrivateFolder(path.dirname(file));
  const verbs = makeVerbs(options);
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    socket.setTimeout(LIMITS.timeoutMs, () => socket.destroy());
    void answerOne(socket, verbs, options.auth);
  });
  try {
    await listenPrivately(server, file);
  } catch (cause) {
    if (cause instanceof MachineError && cause.code === 'IN_USE')
      throw new StartError(`another gateway runs on ${options.dataFolder}`, { cause });
    throw new StartError(`cannot listen on ${file}: ${(cause as Error).message}`, { cause });
  }
  return {
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

type Verbs = (request: AdminRequest) => Promise<AdminReply[AdminRequest['verb']]>;

function makeVerbs({ auth, ca, dataFolder }: AdminServerOptions): Verbs {
  let access: { readonly token: string; readonly id: string; readonly until: number } | undefined;
  const named = async (name: string | undefined): Promise<Account> => {
    const account = name === undefined ? (await auth.accounts.admins())[0] : await auth.accounts.findByName(name);
    if (account === undefined)
      throw new GatewayError('NOT_FOUND', name === undefined ? 'there is no admin' : `there is no user ${name}`);
    return account;
  };
  return async (request) => {
    switch (request.verb) {
      case 'link': {
        const account = await named(request.user);
        const { token, expiresAt } = await auth.links.create(account.id, LINK_LIMITS.lifeMs);
        return { user: account.name, url: linkUrl(auth.publicOrigin, token), expiresAt: iso(expiresAt) };
      }
      case 'token.create': {
        const account = await named(request.user);
        const { row, token } = await auth.tokens.create(account.id, request);
        return { id: row.id, token, expiresAt: iso(row.expires_at) };
      }
      case 'unlock':
        if (request.user !== undefined) await named(request.user);
        await auth.lockout.clear(request.user);
        return { unlocked: request.user ?? 'everybody' };
      case 'backup':
        return { file: request.file, ...(await backupStore(auth.store, request.file, auth.now())) };
      case 'access': {
        if (access === undefined || access.until <= auth.now() || (await auth.tokens.get(access.id)) === undefined) {
          if (access !== undefined) await auth.tokens.revoke(access.id);
          const wanted = { name: 'command line on this machine', scopes: RIGHTS, expiresInDays: LIMITS.accessDays };
          const { row, token } = await auth.tokens.create((await named(undefined)).id, wanted);
          access = { token, id: row.id, until: row.expires_at - 3_600_000 };
        }
        const socketPath = ownSocketPath(dataFolder);
        return { url: auth.publicOrigin, token: access.token, socketPath, ...(ca === undefined ? {} : { ca }) };
      }
    }
  };
}

async function answerOne(socket: Socket, verbs: Verbs, auth: Auth): Promise<void> {
  let request: AdminRequest | undefined;
  try {
    request = adminRequest.parse(JSON.parse(await readLine(socket)));
    if (request.verb === 'backup') socket.setTimeout(LIMITS.backupMs);
    const reply = await verbs(request);
    await write(auth, request, 'ok', null);
    socket.end(`${JSON.stringify({ reply })}\n`);
  } catch (thrown) {
    const error =
      thrown instanceof z.ZodError
        ? new GatewayError('BAD_REQUEST', 'the request is not one that is known')
        : asGatewayError(thrown);
    if (500 <= error.status) auth.log.error({ err: error.cause ?? error }, 'admin.failed');
    if (request !== undefined)
      await write(auth, request, error.status < 500 ? 'refused' : 'failed', error.code).catch(() => undefined);
    socket.end(`${JSON.stringify({ error: { code: error.code, message: error.message } })}\n`);
  }
}

function write(
  auth: Auth,
  request: AdminRequest,
  outcome: 'ok' | 'refused' | 'failed',
  code: string | null,
): Promise<void> {
  const target = 'user' in request ? (request.user ?? null) : null;
  return auth.audit.write({ actor: LOCAL, action: `admin.${request.verb}`, target, outcome, code });
}
