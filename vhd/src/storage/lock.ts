/**
 * ONE-WRITER on disk: a file `<image>.lock` beside an image says who writes to it, and byte-range locks of the file itself
 * keep out other names of it and the tools of QEMU (byte-locks.ts). The lock file appears whole, by a link, and is
 * removed on close; links to an image lead to its own. What a killed process left is taken over by the next writer on the same machine; that decision, look
 * and replace, is made by one process at a time, which holds an abstract socket meanwhile: the kernel gives it to one,
 * and takes it back when that one dies. A lock of another machine or container is never taken over: nobody can know. Who is
 * alive is judged as for every lock of ours (machine/lock-holder.ts); the lock itself is another than that of a folder's owner,
 * for it is taken while a VM waits, beside images that others replace, and numbers its holders.
 */
import { createHash, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { judge, ownPlace, ownRef } from '@oriel/machine';
import { VhdError } from '../errors.ts';
import { checkUsage } from '../usage.ts';
import { lockForWriting } from './byte-locks.ts';
import { errnoOf, fileError } from './file.ts';
import { linkOrMoveLater } from './free-name.ts';
import { shortName } from './temporary.ts';

/** Who writes to an image. */
export interface LockHolder {
  readonly pid: number;
  /** When the process started, in the kernel's clock ticks since boot: a number that a later process cannot have. */
  readonly started: string;
  readonly host: string;
  /** Identity of this boot of the machine, and of the process namespace. */
  readonly boot: string;
  readonly machine: string;
  readonly space: string;
  /** Grows with every lock of the image; see ONE-WRITER in the disk service. */
  readonly lease: number;
  readonly since: string;
  /** Tells one lock from another of the same process. */
  readonly token: string;
}

/** A lock that is held. */
export interface ImageLock {
  readonly lease: number;
  /** Idempotent. Errors: IO. */
  release(): Promise<void>;
}

/** How a lock is taken. */
export interface LockOptions {
  /** The number of the lease; one that is above all before it when left out. */
  readonly lease?: number;
}

const SUFFIX = '.lock';
/** How long to wait for another process that is looking at the same lock. */
const TURN_MS = 2000;

/** Takes the lock of an image. Errors: LOCKED (the message says who holds it), NOT_FOUND (the folder), READ_ONLY, NO_SPACE, IO. */
export async function lockRealFile(image: string, options: LockOptions = {}): Promise<ImageLock> {
  const file = lockFileOf(image);
  const endTurn = await takeTurn(file);
  try {
    const endTurnAtFile = await takeTurn(identityOf(image)); // Another name of it has another lock file.
    try {
      return await acquire(image, file, options);
    } finally {
      await endTurnAtFile();
    }
  } catch (cause) {
    throw fileError(cause, `cannot lock ${image}`);
  } finally {
    await endTurn();
  }
}

/** Beside the file itself, wherever links to it lie. Errors: NOT_FOUND (the folder), IO. */
function lockFileOf(image: string): string {
  const name = path.resolve(image);
  const lockOf = (folder: string, file: string): string => path.join(folder, `${shortName(file)}${SUFFIX}`);
  try {
    const real = fs.realpathSync.native(name);
    return lockOf(path.dirname(real), path.basename(real));
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw fileError(cause, `cannot lock ${image}`);
  }
  try {
    return lockOf(fs.realpathSync.native(path.dirname(name)), path.basename(name));
  } catch (cause) {
    throw fileError(cause, `cannot lock ${image}`);
  }
}

/** What two names of one file have in common. */
function identityOf(image: string): string {
  const stat = fs.statSync(image, { throwIfNoEntry: false });
  return stat === undefined ? `nothing at ${path.resolve(image)}` : `${stat.dev}:${stat.ino}`;
}

/** Who holds the lock of an image; `undefined` where nobody does, or nobody that lives. Errors: IO. */
export function lockHolder(image: string): LockHolder | undefined {
  checkUsage('lockHolder', { paths: { image } });
  const holder = readLock(lockFileOf(image));
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

/** Not one change of the folder is made synchronously: a live snapshot locks the new leaf on the thread that serves the old. */
async function acquire(image: string, file: string, options: LockOptions): Promise<ImageLock> {
  const before = readLock(file);
  if (before !== undefined && isAlive(before)) {
    throw new VhdError('LOCKED', `${image} is in use by ${describe(before)}${adviceFor(before, file)}`);
  }
  const unlock = fs.existsSync(image) ? lockForWriting(image) : () => undefined;
  try {
    const holder = await writeLockFile(image, file, before, options);
    let isHeld = true;
    const release = async (): Promise<void> => {
      if (!isHeld) return;
      isHeld = false;
      unlock();
      if (readLock(file)?.token === holder.token) await fs.promises.rm(file, { force: true });
    };
    return { lease: holder.lease, release };
  } catch (error) {
    unlock();
    throw error;
  }
}

async function writeLockFile(
  image: string,
  file: string,
  before: LockHolder | undefined,
  options: LockOptions,
): Promise<LockHolder> {
  const lease = options.lease ?? Math.max(Date.now(), (before?.lease ?? 0) + 1);
  const holder: LockHolder = { ...self(), lease, since: new Date().toISOString(), token: randomUUID() };
  const temporary = `${file}.${holder.token}`;
  // Synced, or a power cut could leave a lock that names nobody, and that nobody may take over.
  await fs.promises.writeFile(temporary, JSON.stringify(holder), { flag: 'wx', flush: true });
  try {
    if (before === undefined)
      await linkOrMoveLater(temporary, file); // Fails where another machine was quicker.
    else await fs.promises.rename(temporary, file);
    return holder;
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') throw new VhdError('LOCKED', `${image} is in use by another machine`, { cause });
    throw cause;
  } finally {
    await fs.promises.rm(temporary, { force: true });
  }
}

function readLock(file: string): LockHolder | undefined {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT') return undefined;
    throw fileError(cause, `cannot read ${file}`);
  }
  const value: unknown = parse(text);
  if (isHolder(value)) return value;
  throw new VhdError('LOCKED', `${file} is no lock of ours; remove it when nobody writes to the image`);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function isHolder(value: unknown): value is LockHolder {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Record<string, unknown> = { ...value };
  const texts = ['started', 'host', 'boot', 'machine', 'space', 'since', 'token'];
  return (
    Number.isSafeInteger(fields['pid']) &&
    Number.isSafeInteger(fields['lease']) &&
    texts.every((name) => typeof fields[name] === 'string')
  );
}

/** False only where it is certain that the process is gone. */
function isAlive({ pid, started, boot, machine, host, space }: LockHolder): boolean {
  return judge({ pid, startTicks: Number(started), bootId: boot, machine, host, space }) !== 'dead';
}

/** This process, in the words of the lock file, which earlier versions read too. */
function self(): Pick<LockHolder, 'pid' | 'started' | 'host' | 'boot' | 'machine' | 'space'> {
  const { pid, startTicks } = ownRef();
  const { machine, host, space, bootId } = ownPlace();
  return { pid, started: String(startTicks), host, boot: bootId, machine, space };
}

function describe(holder: LockHolder): string {
  return `process ${holder.pid} on ${holder.host} since ${holder.since} (lease ${holder.lease})`;
}

function adviceFor(holder: LockHolder, file: string): string {
  const me = self();
  const isSeen = holder.host === me.host && holder.machine === me.machine && holder.space === me.space;
  return isSeen ? '' : `; if that process is gone for certain, remove ${file}`;
}

/** Waits until no other process on this machine is at the same lock. The result ends the turn. */
async function takeTurn(file: string): Promise<() => Promise<void>> {
  const name = `\0oriel-lock-${createHash('sha256').update(file).digest('hex').slice(0, 32)}`;
  const until = Date.now() + TURN_MS;
  for (;;) {
    const server = net.createServer((socket) => socket.destroy());
    const failure = await new Promise<Error | undefined>((resolve) => {
      server.once('error', resolve);
      server.listen(name, () => resolve(undefined));
    });
    if (failure === undefined) return () => new Promise((resolve) => server.close(() => resolve()));
    if (errnoOf(failure) !== 'EADDRINUSE') throw new VhdError('IO', `cannot take turns at ${file}`, { cause: failure });
    if (until < Date.now()) throw new VhdError('LOCKED', `${file} is being looked at by another process for too long`);
    await new Promise((resolve) => setTimeout(resolve, 2 + Math.random() * 8));
  }
}
