/**
 * One owner of a folder or file, named in a lock file. What an owner that was killed left is taken over, by exactly one.
 *
 * INVARIANT: at any time at most one process owns. A lock is a line of holders: the file itself names the first, and
 * `<file>.<token of a holder>` names the one that came after it. Only the last of a line may be alive, and whoever finds it
 * dead becomes its successor by making that name, which the file system gives to one. A name that was made after the line
 * had moved on leads nowhere, so a successor looks whether the line still comes to it before it owns. Then it shortens the
 * line to itself by one rename. No lock of the kernel is needed, which another account could hold; and a clock only to tell
 * what a crash left half-written where there are no hard links.
 */
import { randomBytes } from 'node:crypto';
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { basename, dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf, MachineError } from './errors.ts';
import { type Holder, judge, type LockNote, parseHolder, selfAsHolder, type Verdict } from './lock-holder.ts';
import { bootId } from './process-ref.ts';
import { isAnswered, listenPrivately } from './unix-listener.ts';

export interface OwnerLock {
  /** Gives it back. Idempotent. */
  release(): void;
}

/** For a file that names nobody yet to be written whole: only where there are no hard links does it ever appear so. */
const WHOLE_MS = 1_000;
/** BOUNDED: others that were quicker, one after the other; holders of a line, one for each that was killed in the act. */
const ATTEMPTS = 100;
const HOLDERS = 1_000;

/**
 * Takes the lock. Errors: HELD (the message says who owns), those of the operating system. The file's folder must be there.
 */
export async function takeOwnerLock(
  file: string,
  note: LockNote = {},
  /** What gives a file its second name; a test has a file system that cannot. */
  link: typeof linkSync = linkSync,
): Promise<OwnerLock> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const line = await readLine(file);
    const last = line.at(-1);
    if (last !== undefined) await refuseLiving(file, last.holder);
    const token = randomBytes(6).toString('hex');
    const beacon = await lightBeacon(file, token);
    const self = selfAsHolder({ token, note, hasBeacon: beacon !== undefined });
    try {
      const name = last === undefined ? file : successorOf(file, last.token);
      const isOurs = createWhole(name, self, link) && (last === undefined || (await settle(file, name, self)));
      if (isOurs) return { release: () => release(file, self, beacon) };
    } catch (error) {
      beacon?.close();
      throw error;
    }
    beacon?.close(); // Somebody was quicker: look again.
  }
  throw new MachineError('HELD', `${file} changes hands too often`);
}

/** Who owns; undefined where nobody does, or nobody that lives. Errors: those of the operating system. */
export async function ownerOf(file: string): Promise<Holder | undefined> {
  const holder = (await readLine(file)).at(-1)?.holder;
  return holder === undefined || (await verdictOn(file, holder)) === 'dead' ? undefined : holder;
}

/** Of the line that starts at `file`: the name it stands under, its token, and who it is, where that can be read. */
interface Place {
  readonly name: string;
  readonly token: string;
  readonly holder: Holder | undefined;
}

async function readLine(file: string): Promise<readonly Place[]> {
  const line: Place[] = [];
  for (let name = file; ; ) {
    const place = await readPlace(name);
    if (place === undefined) return line;
    line.push(place);
    if (HOLDERS < line.length) throw new MachineError('HELD', `${file} names holders without end: remove it`);
    name = successorOf(file, place.token);
  }
}

function successorOf(file: string, token: string): string {
  return `${file}.${token}`;
}

/** Waits until the file names somebody. One that never does was left by a crash, and is known by its number instead. */
async function readPlace(name: string): Promise<Place | undefined> {
  for (const until = Date.now() + WHOLE_MS; ; await delay(10)) {
    try {
      const holder = parseHolder(readFileSync(name, 'utf8'));
      if (holder !== undefined) return { name, token: holder.token, holder };
      if (until < Date.now()) return { name, token: `inode-${statSync(name).ino}`, holder: undefined };
    } catch (cause) {
      if (errnoOf(cause) === 'ENOENT') return undefined;
      throw cause;
    }
  }
}

async function refuseLiving(file: string, holder: Holder | undefined): Promise<void> {
  const verdict = holder === undefined ? 'dead' : await verdictOn(file, holder);
  if (holder === undefined || verdict === 'dead') return;
  const advice = verdict === 'unknown' ? `; if that process is gone for certain, remove ${file}` : '';
  const note = Object.values(holder.note)
    .map((value) => `, ${value}`)
    .join('');
  throw new MachineError(
    'HELD',
    `held by process ${holder.pid} on ${holder.host} since ${holder.since}${note}${advice}`,
    {
      cause: holder,
    },
  );
}

/** Of the same kernel, but in another container: its process cannot be seen, the socket beside the lock can. */
async function verdictOn(file: string, holder: Holder): Promise<Verdict> {
  const verdict = judge(holder);
  if (verdict !== 'unknown' || !holder.hasBeacon || holder.bootId !== bootId()) return verdict;
  return (await isAnswered(beaconOf(file, holder.token))) ? 'alive' : 'dead';
}

function beaconOf(file: string, token: string): string {
  return `${file}.${token}.at`;
}

/** Before the lock names us: whoever reads it finds the beacon. Undefined where the path is too long or can hold no socket. */
async function lightBeacon(file: string, token: string): Promise<Server | undefined> {
  const server = createServer((socket) => socket.destroy()).unref();
  return listenPrivately(server, beaconOf(file, token)).then(
    () => server,
    () => undefined,
  );
}

/** Makes a file with this holder in it, whole from its first moment on; false where the name is taken. */
function createWhole(name: string, self: Holder, link: typeof linkSync): boolean {
  const beside = `${name}.${self.token}.new`;
  writeSynced(beside, self);
  try {
    link(beside, name);
    return true;
  } catch (cause) {
    switch (errnoOf(cause)) {
      case 'EEXIST':
      case 'ENOENT': // Swept away by a new owner: look again.
        return false;
      case 'EPERM':
      case 'ENOTSUP':
      case 'EOPNOTSUPP':
      case 'ENOSYS':
        return createPlain(name, self); // A file system without hard links.
      case undefined:
      default:
        throw cause;
    }
  } finally {
    rmSync(beside, { force: true });
  }
}

function createPlain(name: string, self: Holder): boolean {
  try {
    writeSynced(name, self);
    return true;
  } catch (cause) {
    if (errnoOf(cause) === 'EEXIST') return false;
    throw cause;
  }
}

/** Synced, or a power cut could leave a lock that names nobody. */
function writeSynced(name: string, self: Holder): void {
  const file = openSync(name, 'wx', 0o600);
  try {
    writeFileSync(file, JSON.stringify(self));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Of a successor: owns where the line still comes to it, and is the whole line then. */
async function settle(file: string, name: string, self: Holder): Promise<boolean> {
  const isReached = (await readLine(file)).some(({ token }) => token === self.token);
  if (!isReached) {
    rmSync(name, { force: true });
    return false;
  }
  renameSync(name, file);
  sweep(file, self);
  return true;
}

/** Removes what the line has left behind, and what those who were killed while they tried did. Ours alone to do: we own. */
function sweep(file: string, self: Holder): void {
  const folder = dirname(file);
  const own = basename(beaconOf(file, self.token));
  const isLeft = (name: string): boolean => name.startsWith(`${basename(file)}.`) && name !== own;
  for (const name of readdirSync(folder).filter(isLeft)) rmSync(join(folder, name), { force: true });
}

function release(file: string, self: Holder, beacon: Server | undefined): void {
  try {
    if (parseHolder(readFileSync(file, 'utf8'))?.token === self.token) rmSync(file);
  } catch {
    // Gone with its folder, or the storage turned read-only: it names a process that will be gone, and holds nobody off.
  }
  beacon?.close();
}
