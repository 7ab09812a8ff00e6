/** `oriel disk-service serve`: the disk service itself, until it is told to stop. */

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { InvalidArgumentError } from 'commander';
import { VhdError } from '../../errors.ts';
import { type RunDiskServiceOptions, runDiskService } from '../../service/start.ts';
import { action, type CommonFlags, plainVerb } from '../base/cli.ts';
import type { DisksCli } from './cli.ts';

interface Flags extends CommonFlags {
  readonly storage: string;
  readonly socket: string;
  readonly runDir?: string;
  readonly threads?: number;
  readonly listen?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

/** What it has to say goes to standard error, a line of JSON an event. */
export function serveVerb(cli: DisksCli, storage: string): Command {
  const command = plainVerb(
    'serve',
    'run the disk service until it is told to stop',
    'oriel disk-service serve --storage /srv/oriel/disks --socket /run/oriel/disks.sock',
  );
  command.option('--storage <folder>', 'the folder of images and disks', storage);
  command.option('--socket <path>', 'control socket', cli.socket);
  command.option('--run-dir <folder>', "folder of the disks' sockets (a short path)");
  command.option('--listen <address>', 'serve disks that are opened so to other machines, on this address, over TLS');
  command.option('--tls-cert <file>', 'certificate of the server (PEM)');
  command.option('--tls-key <file>', 'its key (PEM)');
  command.option('--tls-ca <file>', 'the authority that signed the certificates of clients (PEM)');
  command.option('--threads <count>', 'threads that serve disks; 0: none but the main one', wholeNumber);
  return action<Flags>(cli, command, async ({ options }, _args, flags) => {
    const log = (event: string, fields: Readonly<Record<string, unknown>>): void =>
      cli.err(`${JSON.stringify({ time: new Date().toISOString(), event, ...fields })}\n`);
    process.umask(0o077); // Images, records and sockets are for our account alone.
    const runtimeFolder = cli.env['XDG_RUNTIME_DIR'];
    const remote = remoteOf(flags);
    const running = await runDiskService({
      storage: flags.storage,
      socketPath: flags.socket,
      ...(flags.runDir === undefined ? {} : { runFolder: flags.runDir }),
      ...(runtimeFolder === undefined ? {} : { runtimeFolder }),
      ...(flags.threads === undefined ? {} : { threads: flags.threads }),
      ...(remote === undefined ? {} : { remote }),
      version: cli.version,
      log,
    });
    const close = (): void => void running.close();
    options.signal.addEventListener('abort', close, { once: true });
    if (options.signal.aborted) close();
    log('service.started', { storage: flags.storage, socket: flags.socket, pid: process.pid });
    await running.stopped;
    log('service.stopped', {});
  });
}

/** Errors: USAGE. */
function remoteOf({ listen, tlsCert, tlsKey, tlsCa }: Flags): NonNullable<RunDiskServiceOptions['remote']> | undefined {
  if (listen === undefined) return undefined;
  const read = (file: string | undefined, name: string): string => {
    if (file === undefined) throw new VhdError('USAGE', `--listen needs ${name}`);
    try {
      return readFileSync(file, 'utf8');
    } catch (cause) {
      throw new VhdError('USAGE', `cannot read ${file}`, { cause });
    }
  };
  return {
    host: listen,
    tls: { cert: read(tlsCert, '--tls-cert'), key: read(tlsKey, '--tls-key'), ca: read(tlsCa, '--tls-ca') },
  };
}

function wholeNumber(text: string): number {
  if (!/^\d{1,3}$/.test(text)) throw new InvalidArgumentError('must be a whole number');
  return Number(text);
}
