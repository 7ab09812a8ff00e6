/** What every verb of the `oriel` command is handed: where it writes, and a client for the gateway it talks to. */
import { Agent, request as httpRequest } from 'node:http';
import { request as httpsRequest, Agent as TlsAgent } from 'node:https';
import type { Command } from 'commander';
import { type Client, createClient, type Fetch, type FetchInit } from '../../../api/client.ts';
import { printableJson } from '../../../api/text.ts';
import { CliError, EXIT } from './exit.ts';
import { shownLines, type Terminal } from './output.ts';
import { type Env, profilePath, readProfiles } from './profiles.ts';

export interface Cli {
  readonly terminal: Terminal;
  readonly env: Env;
  readonly now: () => number;
  /** Reads what is piped in or typed. */
  readonly input: NodeJS.ReadableStream;
  /** A token for the gateway of this machine and this account, where one runs; undefined where none does. */
  readonly localAccess: (env: Env) => Promise<Access | undefined>;
}

/** Where a gateway is and how to be let in. */
export interface Access {
  readonly url: string;
  readonly token: string;
  readonly ca?: string | undefined;
  /** On the gateway's own machine: the unix socket of the API, instead of the way out to `url` and back. */
  readonly socketPath?: string | undefined;
}

export interface GlobalOptions {
  readonly json?: boolean;
  readonly profile?: string;
}

/** `--json` and `--profile` may stand anywhere on the line. */
export function globals(command: Command): GlobalOptions {
  return command.optsWithGlobals<GlobalOptions>();
}

/**
 * Which gateway: ORIEL_URL and ORIEL_TOKEN, or the profile that is named, or the current profile, or the gateway that
 * runs on this machine under this account.
 */
export async function accessFor(cli: Cli, options: GlobalOptions): Promise<Access> {
  const url = cli.env['ORIEL_URL'];
  const token = cli.env['ORIEL_TOKEN'];
  if (url !== undefined && token !== undefined) return { url, token, ca: cli.env['ORIEL_CA'] };
  const { current, profiles } = readProfiles(profilePath(cli.env));
  const name = options.profile ?? cli.env['ORIEL_PROFILE'];
  if (name !== undefined) {
    const profile = profiles[name];
    if (profile === undefined)
      throw new CliError(`no profile ${name}: run oriel login --profile ${name} URL`, EXIT.usage);
    return profile;
  }
  const local = await cli.localAccess(cli.env);
  const profile = profiles[current];
  // A person's own token, at the gateway of this machine: as that person, and by the short way.
  if (profile !== undefined) return profile.url === local?.url ? { ...profile, socketPath: local.socketPath } : profile;
  const access = local;
  if (access === undefined) {
    throw new CliError(
      'no gateway runs here and no profile is set: run oriel start, or oriel login URL',
      EXIT.unreachable,
    );
  }
  return access;
}

export async function clientFor(cli: Cli, command: Command): Promise<Client> {
  return clientOf(await accessFor(cli, globals(command)));
}

export function clientOf(access: Access): Client {
  return createClient(access.url, { fetch: fetchWith(access), token: access.token });
}

const ANSWER_LIMIT = { bytes: 64 * 2 ** 20, timeoutMs: 120_000 } as const;

/**
 * A fetch over node's own client: it can be told whose certificate to trust and which unix socket to take, which the global
 * one cannot. A body may be bytes.
 */
export function fetchWith({
  ca,
  socketPath,
}: Access): (url: string, init: Omit<FetchInit, 'body'> & { readonly body?: string | Buffer }) => ReturnType<Fetch> {
  return (url, init) =>
    new Promise((resolve, reject) => {
      const isTls = socketPath === undefined && url.startsWith('https:');
      const send = isTls ? httpsRequest : httpRequest;
      const agent = isTls ? new TlsAgent(ca === undefined ? {} : { ca }) : new Agent();
      const { origin, pathname, search } = new URL(url);
      const options = { method: init.method, headers: init.headers, agent, timeout: ANSWER_LIMIT.timeoutMs };
      const request =
        socketPath === undefined
          ? send(url, options)
          : send({ ...options, socketPath, path: `${pathname}${search}`, host: 'localhost' });
      const failed = (cause: Error): void => {
        const where = socketPath === undefined ? origin : 'the gateway of this machine';
        reject(new CliError(`cannot reach ${where}: ${cause.message}`, EXIT.unreachable, { cause }));
      };
      request.on('error', failed);
      request.on('timeout', () => request.destroy(new Error('no answer')));
      request.on('response', (response) => {
        const chunks: Buffer[] = [];
        let bytes = 0;
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.byteLength;
          if (ANSWER_LIMIT.bytes < bytes) request.destroy(new Error('the answer is too large'));
          else chunks.push(chunk);
        });
        response.on('error', failed);
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString('utf8');
          const status = response.statusCode ?? 0;
          resolve({
            ok: 200 <= status && status < 300,
            status,
            headers: { get: (name) => singular(response.headers[name.toLowerCase()]) },
            text: async () => text,
          });
        });
      });
      request.end(init.body);
    });
}

const singular = (value: string | string[] | undefined): string | null =>
  Array.isArray(value) ? value.join(', ') : (value ?? null);

/** Prints the object for scripts, or what `people` makes of it for people. */
export function show<T>(cli: Cli, command: Command, value: T, people: (value: T) => string): void {
  const isJson = globals(command).json === true;
  // Names come from guests, directories and other users: none of their signs is one that the terminal obeys.
  cli.terminal.out(isJson ? `${printableJson(JSON.stringify(value, null, 2))}\n` : shownLines(people(value)));
}
