/**
 * The data folder: where everything of one gateway lies, and the proof that only one gateway uses it. Sockets lie in a run
 * folder below it, or where its path is too long for a socket's (107 bytes), in a folder of the user below /tmp that the
 * same data folder always finds again.
 */
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  mkdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { MachineError, makePrivateFolder, ownerOf, refOf, SOCKET_PATH_BYTES, takeOwnerLock } from '@oriel/machine';
import { StartError } from '../../errors.ts';

/** Room for `/<6 of the host's id>/<VM id of 36>/qmp` and `/d/<disk id of 40>.sock` in the 107 bytes of a socket's path. */
const RUN_FOLDER_BYTES = SOCKET_PATH_BYTES - 50;

/** Room for `/run/admin.sock`. */
const ROOT_BYTES = SOCKET_PATH_BYTES - 15;

export interface DataFolder {
  readonly root: string;
  /** Storage of the disk service. */
  readonly disks: string;
  readonly diskSocket: string;
  /** Definitions and saved memories of VMs: survives a reboot. */
  readonly vms: string;
  /** Files that admins put there to be imported; disc images for CD drives. */
  readonly imports: string;
  readonly discs: string;
  /** Restore points that were laid out as files. */
  readonly exports: string;
  readonly logs: string;
  readonly run: string;
  readonly runDisks: string;
}

/** Where the VMs of one host have their sockets, and where they have what lasts. */
export function hostFolders(folder: DataFolder, hostId: string): { readonly run: string; readonly state: string } {
  return { run: path.join(folder.run, hostId.slice(0, 6)), state: path.join(folder.vms, hostId) };
}

/** Where things are, without looking or making anything. */
export function dataFolderAt(root: string): DataFolder {
  const run = runFolderOf(root);
  const diskSocket = path.join(root, 'disks.sock');
  return {
    root,
    disks: path.join(root, 'disks'),
    diskSocket: Buffer.byteLength(diskSocket) <= 100 ? diskSocket : path.join(run, 'disks.sock'),
    vms: path.join(root, 'vms'),
    imports: path.join(root, 'import'),
    discs: path.join(root, 'discs'),
    exports: path.join(root, 'export'),
    logs: path.join(root, 'logs'),
    run,
    runDisks: path.join(run, 'd'),
  };
}

function runFolderOf(root: string): string {
  const inside = path.join(root, 'run');
  if (Buffer.byteLength(inside) <= RUN_FOLDER_BYTES) return inside;
  const hash = createHash('sha256').update(root).digest('hex').slice(0, 12);
  return path.join('/tmp', `oriel-${process.getuid?.() ?? 0}-${hash}`);
}

/** Makes the folder where it is not there. `isNew`: this call made it. Errors say in one line what to do. */
export function makeDataFolder(wanted: string): { readonly folder: DataFolder; readonly isNew: boolean } {
  const hint = 'set ORIEL_DATA to a folder that you can write to';
  let isNew = false;
  try {
    isNew = mkdirSync(wanted, { recursive: true, mode: 0o700 }) !== undefined;
    accessSync(wanted, constants.W_OK | constants.X_OK);
    // Root may write anywhere, except where nobody may: only writing tells.
    const probe = path.join(wanted, `.probe-${process.pid}`);
    writeFileSync(probe, 'x');
    rmSync(probe);
    const folder = dataFolderAt(realpathSync(wanted));
    makePrivateFolder(folder.root); // One that was made before may be open to others.
    if (ROOT_BYTES < Buffer.byteLength(folder.root)) {
      throw new StartError(
        `the path ${folder.root} is too long for sockets (${ROOT_BYTES} bytes at most): set ORIEL_DATA to another`,
      );
    }
    for (const each of [folder.run, folder.runDisks, folder.vms, folder.imports, folder.discs, folder.logs]) {
      mkdirSync(each, { recursive: true, mode: 0o700 });
    }
    makePrivateFolder(folder.run); // Below /tmp somebody else could have laid it there.
    if (isFull(folder.root)) throw new StartError(fullDiskText(folder.root));
    return { folder, isNew };
  } catch (cause) {
    if (isNew) rmSync(wanted, { recursive: true, force: true });
    if (cause instanceof StartError) throw cause;
    if (cause instanceof MachineError)
      throw new StartError(`${cause.message}: start Oriel as that account, give the folder to ours, or ${hint}`, {
        cause,
      });
    throw new StartError(whyUnusable(wanted, cause as NodeJS.ErrnoException, hint), { cause });
  }
}

/** Below this a store cannot even be opened safely. */
const LEAST_FREE_BYTES = 16 * 2 ** 20;

export function isFull(folder: string): boolean {
  const { bavail, bsize } = statfsSync(folder);
  return bavail * bsize < LEAST_FREE_BYTES;
}

export function fullDiskText(folder: string): string {
  return `the disk that holds ${folder} is full: free some space, or set ORIEL_DATA to another folder`;
}

function whyUnusable(folder: string, { code, message }: NodeJS.ErrnoException, hint: string): string {
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return `the disk that holds ${folder} is full: free some space, or ${hint}`;
  const why = {
    EACCES: 'permission denied',
    EPERM: 'permission denied',
    EROFS: 'it is on a read-only file system',
    ENOTDIR: 'it is below something that is no folder',
    EEXIST: 'it is not a folder',
  }[code ?? ''];
  return `the data folder ${folder} is not writable (${why ?? message}): ${hint}`;
}

export interface GatewayNote {
  readonly pid: number;
  readonly origin: string;
}

const lockPath = (folder: DataFolder): string => path.join(folder.root, 'gateway.lock');

/** Takes the data folder for this process; what one that was killed left is taken over. Errors say who has it. */
export async function lockDataFolder(folder: DataFolder): Promise<() => void> {
  try {
    const lock = await takeOwnerLock(lockPath(folder));
    return () => {
      rmSync(notePath(folder), { force: true });
      lock.release();
    };
  } catch (cause) {
    if (!(cause instanceof MachineError))
      throw new StartError(`cannot lock ${folder.root}: ${(cause as Error).message}`, { cause });
    throw new StartError(whoHas(folder, cause), { cause });
  }
}

function whoHas(folder: DataFolder, cause: MachineError): string {
  const note = readNote(folder);
  // A note may be of an earlier gateway, and one in a container has numbers of its own.
  if (note === undefined || refOf(note.pid) === undefined) return `${folder.root} is in use: ${cause.message}`;
  return `Oriel runs on ${folder.root} already at ${note.origin} (process ${note.pid}); stop it with: oriel stop`;
}

/** True while a gateway runs on the folder. */
export async function isLocked(folder: DataFolder): Promise<boolean> {
  return (await ownerOf(lockPath(folder))) !== undefined;
}

const notePath = (folder: DataFolder): string => path.join(folder.run, 'gateway.json');

/** Tells the `oriel` command where the gateway is. */
export function writeNote(folder: DataFolder, note: GatewayNote): void {
  writeFileSync(notePath(folder), JSON.stringify(note), { mode: 0o600 });
}

/** Only believed while `isLocked`: a gateway that was killed leaves its note behind. */
export function readNote(folder: DataFolder): GatewayNote | undefined {
  try {
    const note = JSON.parse(readFileSync(notePath(folder), 'utf8')) as GatewayNote;
    return Number.isSafeInteger(note.pid) && typeof note.origin === 'string' ? note : undefined;
  } catch {
    return undefined;
  }
}
