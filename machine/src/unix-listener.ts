/**
 * Listening on a unix socket that only our own account can open, from its first moment on: it is bound in a folder that
 * nobody else may enter, and gets its name when its mode is right. What a killed process left under the name is removed.
 */
import { chmodSync, linkSync, lstatSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { dirname, join } from 'node:path';
import { errnoOf, MachineError } from './errors.ts';

/** Spec: unix(7), sun_path has 108 bytes with its end. */
export const SOCKET_PATH_BYTES = 107;

/**
 * Lets a server listen; its close removes the name. Errors: PATH_TOO_LONG, IN_USE where somebody answers there, NOT_PRIVATE
 * where the name is no socket's, those of the operating system.
 */
export async function listenPrivately(server: Server, path: string): Promise<void> {
  requireShort(path);
  await removeStale(path);
  const inside = insideFolder(path);
  const bound = inside === undefined ? path : join(inside, 's');
  try {
    await listen(server, bound);
    chmodSync(bound, 0o600);
    if (inside !== undefined) publish(server, bound, path);
  } catch (error) {
    server.close();
    throw error;
  } finally {
    if (inside !== undefined) rmSync(inside, { recursive: true, force: true });
  }
}

/** Undefined where the longer path would not fit: the socket is bound in place then, and is private a moment later. */
function insideFolder(path: string): string | undefined {
  const prefix = join(dirname(path), '.s-');
  if (SOCKET_PATH_BYTES < Buffer.byteLength(prefix) + '123456/s'.length) return undefined;
  return mkdtempSync(prefix); // Mode 0700.
}

/**
 * Gives the socket its name, if nobody has taken it since we looked. First it moves out of the folder that it was bound in:
 * while it listens, a folder that is removed from above it would keep its file system from being made read-only.
 */
function publish(server: Server, bound: string, path: string): void {
  const beside = `${dirname(bound)}.out`;
  renameSync(bound, beside);
  try {
    linkSync(beside, path);
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') throw inUse(path, cause);
    renameSync(beside, path); // A file system without hard links.
  } finally {
    rmSync(beside, { force: true });
  }
  removeAtClose(server, path);
}

/** As Node does with the name that a socket was bound to: at once, while the number of the file can be nobody else's. */
function removeAtClose(server: Server, path: string): void {
  const { ino } = lstatSync(path);
  const close = server.close.bind(server);
  server.close = (onClosed) => {
    server.close = close;
    try {
      if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path, { force: true });
    } catch {
      // The file system was made read-only: nobody will answer there, so the name stands in nobody's way.
    }
    return close(onClosed);
  };
}

function requireShort(path: string): void {
  const bytes = Buffer.byteLength(path);
  if (SOCKET_PATH_BYTES < bytes)
    throw new MachineError('PATH_TOO_LONG', `socket path of ${bytes} bytes, at most ${SOCKET_PATH_BYTES}: ${path}`);
}

async function removeStale(path: string): Promise<void> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) throw new MachineError('NOT_PRIVATE', `${path} is there and is no socket: move it away`);
  if (await isAnswered(path)) throw inUse(path);
  rmSync(path, { force: true });
}

function inUse(path: string, cause?: unknown): MachineError {
  return new MachineError('IN_USE', `somebody listens on ${path} already`, { cause });
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** True when something accepts connections on a unix socket. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    // Too many that wait to be accepted is an answer, too; so is a socket of another account.
    probe.once('error', (cause) => resolve(['EAGAIN', 'EACCES', 'EPERM'].includes(errnoOf(cause) ?? '')));
  });
}

/**
 * Makes a folder for us alone, or takes one that is, and tightens its mode where it is ours. Errors: NOT_PRIVATE (a link,
 * no folder, somebody else's), those of the operating system.
 */
export function makePrivateFolder(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const stat = lstatSync(path);
  const self = process.getuid?.() ?? stat.uid;
  if (!stat.isDirectory()) throw new MachineError('NOT_PRIVATE', `${path} is no folder of its own: remove it`);
  if (stat.uid !== self)
    throw new MachineError('NOT_PRIVATE', `${path} belongs to account ${stat.uid}, not to ours (${self})`);
  if ((stat.mode & 0o077) !== 0) chmodSync(path, 0o700);
}
