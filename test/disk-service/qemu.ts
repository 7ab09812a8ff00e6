/** A QEMU that runs the journal guest on a disk, and what of it the test needs: records, events, commands. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync, statSync, truncateSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { onCleanup, tempFolder } from './setup.ts';

export interface JournalGuest {
  /** Numbers of the records that the guest was told are flushed, in order. */
  readonly records: readonly number[];
  /** I/O errors that reached the guest. */
  readonly errors: number;
  /** Settles when so many more records are flushed. */
  more(count: number): Promise<void>;
  /** Names of the events QEMU sent. */
  readonly events: readonly string[];
  /** Settles when an event arrives, or has. */
  event(name: string): Promise<void>;
  /** What QEMU said of each failed request. */
  readonly ioErrors: readonly unknown[];
  /** Settles when QEMU has stopped the guest so many times. */
  stops(count: number): Promise<void>;
  qmp(command: string, args?: object): Promise<unknown>;
  quit(): Promise<void>;
}

/** Sectors of the journal, and the first of them: as in journal-guest.asm. */
export const JOURNAL = { first: 64, sectors: 1024 } as const;

/** Record `n` as the guest writes it. */
export function recordOf(n: number): Buffer {
  const bytes = Buffer.alloc(512);
  let word = n >>> 0;
  for (let at = 0; at < 512; at += 4) {
    bytes.writeUInt32LE(word, at);
    word = ((((word << 5) | (word >>> 27)) ^ 0x9e3779b9) + n) >>> 0;
  }
  return bytes;
}

/** Nothing that was flushed is missing: each sector holds its last acknowledged record, or one that was under way. */
export function missingRecords(journal: Buffer, acknowledged: readonly number[]): readonly string[] {
  const last = new Map(acknowledged.map((n) => [n % JOURNAL.sectors, n]));
  const newest = acknowledged.at(-1) ?? 0;
  const missing: string[] = [];
  for (const [slot, n] of last) {
    const sector = journal.subarray(slot * 512, slot * 512 + 512);
    const found = sector.readUInt32LE(0);
    if (!sector.equals(recordOf(found)))
      missing.push(`sector ${slot} is torn: ${sector.toString('hex', 0, 16)}…, not record ${n}`);
    else if (found !== n && found !== newest + 1) missing.push(`sector ${slot} has record ${found}, not ${n}`);
  }
  return missing;
}

/** Starts QEMU on an export. It stops the guest at write errors and waits `reconnectSeconds` for a lost server. */
export async function startJournalGuest(
  uri: string,
  options: { readonly reconnectSeconds: number },
): Promise<JournalGuest> {
  const folder = tempFolder();
  const floppy = join(folder, 'floppy.img');
  execFileSync('nasm', ['-f', 'bin', '-o', floppy, join(import.meta.dirname, 'journal-guest.asm')]);
  truncateSync(floppy, 1_474_560);
  const url = new URL(uri);
  const node = [
    'driver=nbd,node-name=disk,server.type=unix',
    `server.path=${url.searchParams.get('socket')}`,
    `export=${decodeURIComponent(url.pathname.slice(1))}`,
    `reconnect-delay=${options.reconnectSeconds}`,
  ].join(',');
  const qmpPath = join(folder, 'qmp');
  const child = spawn(
    'qemu-system-x86_64',
    [
      '-accel',
      'tcg',
      '-m',
      '16',
      '-display',
      'none',
      '-nodefaults',
      '-no-user-config',
      '-boot',
      'a',
      '-serial',
      'stdio',
      '-qmp',
      `unix:${qmpPath},server=on,wait=off`,
      '-drive',
      `if=floppy,format=raw,readonly=on,file=${floppy}`,
      '-blockdev',
      node,
      '-device',
      'virtio-blk-pci,id=vda,drive=disk,write-cache=off,werror=stop,rerror=stop',
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  onCleanup(() => child.kill('SIGKILL'));
  const guest = new Guest(child);
  await guest.connect(qmpPath);
  return guest;
}

/** The socket's file is there a moment before QEMU listens on it. */
async function connected(path: string): Promise<Socket> {
  for (;;) {
    const socket = connect(path);
    try {
      await once(socket, 'connect');
      return socket;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

interface QmpMessage {
  readonly event?: string;
  readonly data?: unknown;
  readonly return?: unknown;
  readonly error?: { readonly desc: string };
}

class Guest implements JournalGuest {
  readonly records: number[] = [];
  readonly events: string[] = [];
  readonly ioErrors: unknown[] = [];
  errors = 0;
  readonly #child: ChildProcess;
  #stderr = '';
  #qmp: Socket | undefined;
  #onChange = new Set<() => void>();
  readonly #answers: ((answer: unknown) => void)[] = [];

  constructor(child: ChildProcess) {
    this.#child = child;
    child.stderr?.on('data', (text: Buffer) => {
      this.#stderr += text.toString();
    });
    if (child.stdout !== null) {
      createInterface(child.stdout).on('line', (line) => {
        // A number behind a space is not the guest's: what QEMU itself prints comes here too.
        if (line.endsWith('E')) this.errors += 1;
        else if (/(?<! )[0-9a-f]{8}$/.test(line)) this.records.push(Number.parseInt(line.slice(-8), 16));
        this.#changed();
      });
    }
    child.on('exit', () => this.#changed());
  }

  async connect(path: string): Promise<void> {
    await this.#until(() => statSync(path, { throwIfNoEntry: false }) !== undefined, 20);
    const socket = await connected(path);
    rmSync(path, { force: true });
    this.#qmp = socket;
    socket.on('error', () => {});
    createInterface(socket).on('line', (line) => {
      const message = JSON.parse(line) as QmpMessage;
      if (message.event === 'BLOCK_IO_ERROR') this.ioErrors.push(message.data);
      if (message.event !== undefined) this.events.push(message.event);
      else if ('return' in message || 'error' in message) this.#answers.shift()?.(message.return ?? message.error);
      this.#changed();
    });
    await this.qmp('qmp_capabilities');
  }

  async more(count: number): Promise<void> {
    const target = this.records.length + count;
    await this.#until(() => target <= this.records.length);
  }

  async event(name: string): Promise<void> {
    await this.#until(() => this.events.includes(name));
  }

  async stops(count: number): Promise<void> {
    await this.#until(() => count <= this.events.filter((event) => event === 'STOP').length);
  }

  qmp(command: string, args?: object): Promise<unknown> {
    return new Promise((resolve) => {
      this.#answers.push(resolve);
      this.#qmp?.write(JSON.stringify({ execute: command, ...(args === undefined ? {} : { arguments: args }) }));
    });
  }

  async quit(): Promise<void> {
    if (this.#child.exitCode !== null) return;
    await this.qmp('stop'); // Else its disk is taken from under a guest that still writes.
    const exited = once(this.#child, 'exit');
    this.#qmp?.write(JSON.stringify({ execute: 'quit' }));
    await exited;
  }

  #changed(): void {
    for (const look of this.#onChange) look();
  }

  /** Looks again at each change, and every `pollMs` where nothing tells of one. */
  async #until(isTrue: () => boolean, pollMs?: number): Promise<void> {
    if (isTrue()) return;
    await new Promise<void>((resolve, reject) => {
      const timer = pollMs === undefined ? undefined : setInterval(() => look(), pollMs);
      const look = (): void => {
        const isGone = this.#child.exitCode !== null || this.#child.signalCode !== null;
        if (!isTrue() && !isGone) return;
        clearInterval(timer);
        this.#onChange.delete(look);
        if (isTrue()) resolve();
        else reject(new Error(`QEMU ended: ${this.#stderr}`));
      };
      this.#onChange.add(look);
    });
  }
}
