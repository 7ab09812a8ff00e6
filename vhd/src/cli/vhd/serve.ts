/** `oriel vhd serve`: a chain over NBD, until interrupted. */
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { openChain } from '../../chain/open.ts';
import { VhdError } from '../../errors.ts';
import { type NbdTls, serveNbd } from '../../nbd/server.ts';
import { sourceFormat } from '../../ops/convert.ts';
import { lockForReading } from '../../storage/byte-locks.ts';
import { action, type CommonFlags, type VhdCli, verb } from '../base/cli.ts';

interface Flags extends CommonFlags {
  readonly socket?: string;
  readonly port?: string;
  readonly host?: string;
  readonly export?: string;
  readonly readOnly?: boolean;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly tlsCa?: string;
}

export function serveVerb(cli: VhdCli): Command {
  const command = verb(
    'serve',
    'serve a chain over NBD until interrupted',
    'oriel vhd serve disk.vhd --socket /run/disk.sock',
  );
  command.argument('<file>', 'the leaf of the chain');
  command.option('--socket <path>', 'a unix socket, which only you can open');
  command.option('--port <number>', 'a TCP port; 0 takes a free one');
  command.option('--host <address>', 'the address to listen on; loopback when left out');
  command.option('--export <name>', 'the name of the export; the empty name works always');
  command.option('--read-only', 'refuse writes');
  command.option('--tls-cert <file>', 'certificate of the server (PEM); with it, clients need certificates too');
  command.option('--tls-key <file>', 'key of the certificate (PEM)');
  command.option('--tls-ca <file>', 'the authority that signed the certificates of clients (PEM)');
  return action<Flags>(cli, command, async ({ options, print }, [file = ''], flags) => {
    const address = addressOf(flags);
    const tls = tlsOf(flags);
    const ended = interrupted(options.signal); // From here on a signal ends it in order.
    const format = sourceFormat(file, { onNote: (note) => cli.err(`oriel: ${note}\n`) });
    const as = format === 'raw' ? { format } : {}; // What is neither raw nor a VHD, opening it refuses with a reason.
    const disk = await openChain(file, { isReadOnly: flags.readOnly === true, policy: options.policy, ...as });
    const unlocks: (() => void)[] = [];
    try {
      // Nobody writes to what is served, by whatever tool, and nobody replaces it. The leaf has a lock of its own.
      for (const link of disk.links.slice(disk.isReadOnly ? 0 : 1)) unlocks.push(lockForReading(link.path));
      const server = await serveNbd(disk, {
        ...address,
        ...(tls === undefined ? {} : { tls }),
        ...(flags.export === undefined ? {} : { exportName: flags.export }),
        onTrouble: (reason) => cli.err(`oriel: an NBD client: ${reason}\n`),
      });
      try {
        const { uri } = server;
        print({ uri, sizeBytes: disk.sizeBytes, isReadOnly: disk.isReadOnly }, () => [uri]);
        await ended;
      } finally {
        await server.close();
      }
    } finally {
      for (const unlock of unlocks) unlock();
      await disk.close();
    }
  });
}

/** Errors: USAGE. */
function addressOf(flags: Flags): { socketPath: string } | { port: number; host?: string } {
  if (flags.socket !== undefined) return { socketPath: flags.socket };
  const port = flags.port ?? '';
  if (!/^\d{1,5}$/.test(port) || 65_535 < Number(port))
    throw new VhdError('USAGE', 'give --socket, or --port with a number');
  return { port: Number(port), ...(flags.host === undefined ? {} : { host: flags.host }) };
}

/** Errors: USAGE, NOT_FOUND. */
function tlsOf({ tlsCert, tlsKey, tlsCa }: Flags): NbdTls | undefined {
  if (tlsCert === undefined && tlsKey === undefined && tlsCa === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined || tlsCa === undefined) {
    throw new VhdError('USAGE', 'TLS needs --tls-cert, --tls-key and --tls-ca');
  }
  const [cert, key, ca] = [tlsCert, tlsKey, tlsCa].map((path) => {
    try {
      return readFileSync(path, 'utf8');
    } catch (cause) {
      throw new VhdError('NOT_FOUND', `cannot read ${path}`, { cause });
    }
  });
  return { cert: cert ?? '', key: key ?? '', ca: ca ?? '' };
}

/** Settles at the first interrupt, or when told to end. */
function interrupted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
