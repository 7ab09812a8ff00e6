/**
 * A small room for a foreign tool that reads what strangers made: it sees the files that are named and the system's
 * programs, has no network, no privileges and nothing of our environment, and its time, memory and output are limited. With
 * bubblewrap where it is there and works; limits and privileges alone elsewhere. Spec: bwrap(1), prlimit(1).
 */
import { execFile, spawn } from 'node:child_process';
import { lstatSync, readlinkSync } from 'node:fs';
import { promisify } from 'node:util';
import { confine, findConfinement } from './confinement.ts';
import { plainEnvironment } from './environment.ts';
import { errnoOf, MachineError } from './errors.ts';

export interface RoomLimits {
  readonly timeMs: number;
  readonly cpuSeconds: number;
  /** Of address space. */
  readonly memoryBytes: number;
  /** Of what it prints: the tool is ended beyond that. */
  readonly outputBytes: number;
  /** The largest file that it may write. */
  readonly fileBytes: number;
}

export interface RoomOptions {
  /** Files and folders that it sees, with absolute paths. */
  readonly reads: readonly string[];
  /** Those that it may write to, or whose sockets it may connect to. They are there already. */
  readonly writes?: readonly string[];
  readonly limits: RoomLimits;
  readonly signal?: AbortSignal | undefined;
  /** What it prints, as it comes. */
  readonly onOutput?: (text: string) => void;
}

export interface RoomResult {
  /** Null where a signal ended it. */
  readonly status: number | null;
  readonly stdout: string;
  /** Its last 4 KiB. */
  readonly stderr: string;
}

const COMPLAINT_BYTES = 4096;
const PROBE_MS = 5_000;
/** The longest that a timer of Node can wait: 24 days. */
const TIMER_MS: number = 2 ** 31 - 1;
/** How bubblewrap tells that its child was ended by SIGXCPU. */
const BY_XCPU = 128 + 24;

/**
 * Runs the tool to its end. Errors: TOOL_MISSING, TOOL_LIMIT (the message says which), and an AbortError where the signal
 * ended it.
 */
export async function runInRoom(program: string, args: readonly string[], options: RoomOptions): Promise<RoomResult> {
  const command = roomCommand([program, ...args], options, await findRoom());
  options.signal?.throwIfAborted();
  return watch(program, command, options);
}

/** What this machine offers. */
export interface Room {
  readonly hasBubblewrap: boolean;
  readonly confinement: Awaited<ReturnType<typeof findConfinement>>;
}

let found: Promise<Room> | undefined;

/** Asked once. */
export function findRoom(): Promise<Room> {
  found ??= probe();
  return found;
}

async function probe(): Promise<Room> {
  const [program = '', ...args] = bubblewrap([], [], ['/usr/bin/true']);
  const hasBubblewrap = await promisify(execFile)(program, args, { timeout: PROBE_MS }).then(
    () => true,
    () => false, // Not installed, or user namespaces are not allowed.
  );
  return { hasBubblewrap, confinement: await findConfinement() };
}

/** The whole command line. PURE but for the layout of the system's folders. */
export function roomCommand(
  command: readonly string[],
  { reads, writes = [], limits }: Pick<RoomOptions, 'reads' | 'writes' | 'limits'>,
  room: Room,
): readonly string[] {
  const inner = room.hasBubblewrap ? bubblewrap(reads, writes, command) : confine(room.confinement, command);
  return [
    'prlimit',
    `--as=${limits.memoryBytes}`,
    `--cpu=${limits.cpuSeconds}:${limits.cpuSeconds + 1}`,
    `--fsize=${limits.fileBytes}`,
    '--core=0',
    '--nofile=256',
    '--',
    ...inner,
  ];
}

function bubblewrap(reads: readonly string[], writes: readonly string[], command: readonly string[]): string[] {
  return [
    'bwrap',
    '--unshare-all',
    '--cap-drop',
    'ALL',
    '--die-with-parent',
    '--new-session',
    '--ro-bind',
    '/usr',
    '/usr',
    ...['/bin', '/sbin', '/lib', '/lib64'].flatMap(systemFolder),
    '--ro-bind-try',
    '/etc/ld.so.cache',
    '/etc/ld.so.cache',
    '--dev',
    '/dev',
    '--tmpfs',
    '/tmp',
    ...reads.flatMap((path) => ['--ro-bind', path, path]),
    ...writes.flatMap((path) => ['--bind', path, path]),
    '--chdir',
    '/',
    '--',
    ...command,
  ];
}

/** As it is outside: most systems have links into /usr, old ones folders. */
function systemFolder(path: string): readonly string[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return [];
  return stat.isSymbolicLink() ? ['--symlink', readlinkSync(path), path] : ['--ro-bind', path, path];
}

function watch(name: string, command: readonly string[], options: RoomOptions): Promise<RoomResult> {
  const { limits, signal, onOutput } = options;
  const [program = '', ...args] = command;
  return new Promise((resolve, reject) => {
    // A group of its own: what the tool starts ends with it.
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: plainEnvironment(process.env),
      detached: true,
      cwd: '/',
    });
    let stdout = '';
    let stderr = '';
    let broken: Error | undefined;
    const stop = (why: Error): void => {
      broken ??= why;
      killGroup(child.pid);
    };
    const onAbort = (): void => stop(signal?.reason instanceof Error ? signal.reason : new Error('aborted'));
    const late = setTimeout(
      () => stop(over(name, `${limits.timeMs / 1000} s of time`)),
      Math.min(limits.timeMs, TIMER_MS),
    );
    signal?.addEventListener('abort', onAbort, { once: true });
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      onOutput?.(text);
      stdout += text;
      if (limits.outputBytes < stdout.length) stop(over(name, `${limits.outputBytes} bytes of output`));
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-COMPLAINT_BYTES);
    });
    const end = (): void => {
      clearTimeout(late);
      signal?.removeEventListener('abort', onAbort);
    };
    child.once('error', (cause) => {
      end();
      reject(new MachineError('TOOL_MISSING', `cannot start ${name}: ${errnoOf(cause)}`, { cause }));
    });
    child.once('close', (status, by) => {
      end();
      if (broken !== undefined) return reject(broken);
      if (by === 'SIGXCPU' || status === BY_XCPU) return reject(over(name, `${limits.cpuSeconds} s of processor time`));
      if (status === 127 || /^(prlimit|bwrap|setpriv): .*(failed to execute|execvp|No such file)/m.test(stderr))
        return reject(new MachineError('TOOL_MISSING', `cannot start ${name}: ${stderr.trim()}`));
      resolve({ status, stdout, stderr });
    });
  });
}

function over(name: string, limit: string): MachineError {
  return new MachineError('TOOL_LIMIT', `${name} was ended: it took more than ${limit}`);
}

function killGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // Gone.
  }
}
