/**
 * The NBD server: listens on a unix socket or a TCP port and serves exports. `serveNbd` is the short way, for one disk.
 * Spec: NBD proto.md; URIs: NBD doc/uri.md.
 */
import { createServer, type Server } from 'node:net';
import type { Disk } from '../disk.ts';
import { VhdError } from '../errors.ts';
import { listenOnUnix } from '../unix-socket.ts';
import { checkUsage } from '../usage.ts';
import { acceptConnection } from './accept.ts';
import type { Connection, ConnectionContext, ExportSource } from './connection.ts';
import { type MetaContext, NbdExport, type NbdStats } from './export.ts';
import { NBD_LIMITS, type NbdLimits } from './limits.ts';
import { ReceivePool } from './receive-buffer.ts';
import { SlabPool } from './reply-writer.ts';
import { Troubles } from './troubles.ts';

/** Certificates of a TLS server, PEM. Clients must show a certificate that `ca` signed. */
export interface NbdTls {
  readonly cert: string;
  readonly key: string;
  readonly ca: string;
}

export interface NbdListenOptions {
  /** A unix socket, made with mode 0600; at most 107 bytes. */
  readonly socketPath?: string;
  /** A TCP port; 0 takes a free one. */
  readonly port?: number;
  /** The address to listen on; the loopback interface unless said otherwise. */
  readonly host?: string;
  readonly tls?: NbdTls;
  readonly limits?: Partial<NbdLimits>;
  /** Told what is refused and why a connection ends against the client's wish; a few a minute, see troubles.ts. */
  readonly onTrouble?: (reason: string) => void;
}

export interface NbdServer {
  /** The port that was taken, for TCP. */
  readonly port: number | undefined;
  /** The address of an export of this server, as QEMU and libnbd take it. */
  uri(exportName: string): string;
  readonly connections: number;
  /** Ends every connection and stops listening. Settles when no request reaches a disk any more. Idempotent. */
  close(): Promise<void>;
}

// All connections of a thread share the pools: between two ticks nothing of theirs is in use but what is in flight.
const slabs = new SlabPool();
const receivePool = new ReceivePool();

/** Serves many exports on one address. Errors: USAGE, EXISTS, IO. */
export async function listenNbd(source: ExportSource, options: NbdListenOptions): Promise<NbdServer> {
  const connections = new Set<Connection>();
  const troubles = new Troubles(options.onTrouble ?? (() => {}));
  let isClosing = false;
  const context: ConnectionContext = {
    source,
    limits: { ...NBD_LIMITS, ...options.limits },
    slabs,
    receivePool,
    secure: options.tls === undefined ? undefined : await securing(options.tls),
    onTrouble: (reason) => {
      if (!isClosing) troubles.add(reason);
    },
  };
  const server = createServer({ pauseOnConnect: true, allowHalfOpen: true }, (socket) => {
    if (context.limits.connections * 4 <= connections.size) {
      troubles.add('too many connections of this server');
      socket.destroy();
      return;
    }
    const connection = acceptConnection(socket, context);
    connections.add(connection);
    void connection.ended.then(() => connections.delete(connection));
  });
  await listen(server, options);
  const address = server.address();
  const port = address !== null && typeof address === 'object' ? address.port : undefined;
  return {
    port,
    uri: (name) => uriOf(name, options, port),
    get connections() {
      return connections.size;
    },
    close: async () => {
      isClosing = true;
      server.close();
      const open = [...connections];
      for (const connection of open) connection.destroy('the server closes');
      await Promise.all(open.map((connection) => connection.ended));
    },
  };
}

export interface ServeNbdOptions extends NbdListenOptions {
  /** The name of the export; the empty name works always. */
  readonly exportName?: string;
  readonly description?: string;
  readonly contexts?: () => readonly MetaContext[];
}

export interface ServedDisk {
  /** What to hand to QEMU, qemu-img or libnbd. */
  readonly uri: string;
  readonly port: number | undefined;
  readonly connections: number;
  readonly stats: Readonly<NbdStats>;
  /** Ends every connection and stops listening. Settles when no request reaches the disk any more. Idempotent. */
  close(): Promise<void>;
}

/** Serves one disk until closed; the disk stays open, it belongs to the caller. Errors: USAGE, EXISTS, IO. */
export async function serveNbd(disk: Disk, options: ServeNbdOptions): Promise<ServedDisk> {
  checkUsage('serveNbd', { disks: { disk }, options: options ?? null });
  const { contexts, description } = options;
  const name = options.exportName ?? '';
  const target = new NbdExport({
    name,
    disk,
    ...(description === undefined ? {} : { description }),
    ...(contexts === undefined ? {} : { contexts }),
  });
  const server = await listenNbd(
    { names: () => [name], find: (wanted) => (wanted === name || wanted === '' ? target : undefined) },
    options,
  );
  return {
    port: server.port,
    uri: server.uri(name),
    get connections() {
      return server.connections;
    },
    stats: target.stats,
    close: () => server.close(),
  };
}

/** Wraps accepted sockets in TLS. Loaded when it is wanted: a thread without TLS saves the memory. Errors: USAGE. */
async function securing(tls: NbdTls): Promise<NonNullable<ConnectionContext['secure']>> {
  const { createSecureContext, TLSSocket } = await import('node:tls');
  try {
    const secureContext = createSecureContext({ ...tls, minVersion: 'TLSv1.2' });
    return (plain) =>
      new TLSSocket(plain, { isServer: true, secureContext, requestCert: true, rejectUnauthorized: true });
  } catch (cause) {
    throw new VhdError('USAGE', 'the certificates cannot be used', { cause });
  }
}

async function listen(server: Server, options: NbdListenOptions): Promise<void> {
  const { socketPath, port, host = '127.0.0.1' } = options;
  if ((socketPath === undefined) === (port === undefined)) throw new VhdError('USAGE', 'give a socket path or a port');
  if (socketPath !== undefined) await listenOnUnix(server, socketPath);
  else await listenOnTcp(server, port ?? 0, host);
  server.on('error', () => {}); // Out of descriptors while accepting: the client sees its connection fail.
}

async function listenOnTcp(server: Server, port: number, host: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const code = cause.code === 'EADDRINUSE' ? 'EXISTS' : 'IO';
      reject(new VhdError(code, `cannot listen on port ${port}`, { cause }));
    });
    server.listen(port, host, resolve);
  });
  server.removeAllListeners('error');
}

function uriOf(name: string, options: NbdListenOptions, port: number | undefined): string {
  const path = encodeURIComponent(name);
  if (options.socketPath !== undefined)
    return `nbd+unix:///${path}?socket=${encodeURIComponent(options.socketPath).replaceAll('%2F', '/')}`;
  return `${options.tls === undefined ? 'nbd' : 'nbds'}://${options.host ?? '127.0.0.1'}:${port}/${path}`;
}
