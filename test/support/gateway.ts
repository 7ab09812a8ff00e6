/**
 * A real gateway for a test: the built `oriel start` as a process of its own, with its disk service and its VMs, in a data
 * folder that goes away. `stop` ends all of it and fails when something is left behind.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { type Client, createClient, type Fetch } from '../../gateway/api/client.ts';
import { localAccess, run } from '../../gateway/src/cli/main.ts';

export const ORIEL: string = fileURLToPath(new URL('../../gateway/bin/oriel.mjs', import.meta.url));
const START_MS = 30_000;

export interface StartGatewayOptions {
  /** A folder of an earlier gateway; a new one below /tmp when left out. */
  readonly dataDir?: string;
  readonly listen?: string;
  readonly env?: Readonly<Record<string, string>>;
}

export interface TestGateway {
  readonly dataDir: string;
  readonly origin: string;
  /** The one-time sign-in link; undefined once an admin has another way in. */
  readonly link: string | undefined;
  readonly process: ChildProcess;
  /** All that it printed so far. */
  output(): string;
  /** Uses the link up and gives a client with the cookie, and the cookie for a browser or a WebSocket. */
  signIn(): Promise<{ readonly client: Client; readonly cookie: string }>;
  /** OUTLIVE: ends only the gateway, as Ctrl-C or as `kill -9` does. */
  end(signal?: 'SIGINT' | 'SIGKILL'): Promise<void>;
  /** Starts a gateway again on the same folder. */
  again(): Promise<TestGateway>;
  /** Ends gateway, VMs and disk service, and removes the folder. */
  stop(): Promise<void>;
}

export async function startGateway(options: StartGatewayOptions = {}): Promise<TestGateway> {
  const dataDir = options.dataDir ?? mkdtempSync('/tmp/oriel-t-');
  const listen = options.listen ?? '127.0.0.1:0';
  const env = { ...process.env, ORIEL_DATA: dataDir, ORIEL_LISTEN: listen, ORIEL_DEMO: 'toy', ...options.env };
  const child = spawn(process.execPath, [ORIEL, 'start'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  try {
    await untilReady(child, () => text);
  } catch (error) {
    await stopEverything(dataDir, options.dataDir === undefined);
    throw error;
  }
  const origin = /Oriel is at (\S+)/.exec(text)?.[1] ?? '';
  const link = /^\S+\/sign-in#link=\S+$/m.exec(text)?.[0];
  const end = async (signal: 'SIGINT' | 'SIGKILL' = 'SIGINT'): Promise<void> => {
    child.kill(signal);
    await exited;
  };
  return {
    dataDir,
    origin,
    link,
    process: child,
    output: () => text,
    signIn: () => signIn(origin, link),
    end,
    again: () => startGateway({ ...options, dataDir }),
    stop: async () => {
      if (child.exitCode === null && child.signalCode === null) await end();
      await stopEverything(dataDir, true);
    },
  };
}

/** The last line that `oriel start` prints says that all stands. */
async function untilReady(child: ChildProcess, text: () => string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    const fail = (why: string): void => reject(new Error(`oriel start ${why}:\n${text()}`));
    const timer = setTimeout(() => fail('is not ready'), START_MS);
    const look = (): void => {
      if (!text().includes('Ctrl-C stops the gateway')) return;
      clearTimeout(timer);
      child.off('exit', onExit);
      resolve();
    };
    const onExit = (code: number | null): void => {
      clearTimeout(timer);
      fail(`ended with ${code}`);
    };
    child.stdout?.on('data', look);
    child.once('exit', onExit);
  });
}

async function signIn(origin: string, link: string | undefined): Promise<{ client: Client; cookie: string }> {
  const token = link?.split('#link=')[1];
  if (token === undefined) throw new Error('there is no sign-in link');
  const headers = { 'content-type': 'application/json', origin };
  const answer = await fetch(`${origin}/api/v1/sign-in/link`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ link: token }),
  });
  const cookie = answer.headers.get('set-cookie')?.split(';')[0];
  if (!answer.ok || cookie === undefined) throw new Error(`sign-in: ${answer.status} ${await answer.text()}`);
  return { cookie, client: createClient(origin, { fetch: fetchWith({ cookie, origin }) }) };
}

/** Node's own fetch with more headers. */
export function fetchWith(more: Readonly<Record<string, string>>): Fetch {
  return (url, init) => {
    const { signal, ...rest } = init;
    return fetch(url, {
      ...rest,
      headers: { ...init.headers, ...more },
      ...(signal === undefined ? {} : { signal: signal as AbortSignal }),
    });
  };
}

export interface Ran {
  readonly status: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs the `oriel` command against a data folder, as a person on the gateway's machine would. */
export async function oriel(
  dataDir: string,
  args: readonly string[],
  input = '',
  more: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  const child = spawn(process.execPath, [ORIEL, ...args], { env: envOf(dataDir, more) });
  let out = '';
  let err = '';
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()));
  child.stdin.end(input);
  const status = await new Promise<number | null>((resolve) => child.once('close', resolve));
  return { status, out, err };
}

/**
 * The same within this process, but for argv, streams and the exit itself: a new process takes a third of a second to
 * come up. What is about processes (pipes, signals, terminals) uses `oriel`.
 */
export async function orielHere(
  dataDir: string,
  args: readonly string[],
  input = '',
  more: Readonly<Record<string, string>> = {},
): Promise<Ran> {
  let out = '';
  let err = '';
  const terminal = {
    out: (text: string): void => void (out += text),
    err: (text: string): void => void (err += text),
    columns: undefined,
  };
  const env = envOf(dataDir, more);
  const cli = { terminal, env, now: Date.now, input: Readable.from([input]), localAccess };
  const status = await run(cli, [process.execPath, ORIEL, ...args]);
  return { status, out, err };
}

const envOf = (dataDir: string, more: Readonly<Record<string, string>>): NodeJS.ProcessEnv => ({
  ...process.env,
  ORIEL_DATA: dataDir,
  ORIEL_PROFILES: path.join(dataDir, 'profiles.json'),
  ...more,
});

/** What outlives a gateway on purpose (OUTLIVE): VMs, their TPMs, the disk service with its threads and tools. */
const OUTLIVES = /(qemu-system-|swtpm|disk-service serve)/;

/**
 * Kills what is left: `oriel stop --all`, which has its tests in test/cli/start.test.ts, takes a process of a second for it.
 * Fails where a gateway left something behind that does not outlive it.
 */
async function stopEverything(dataDir: string, removes: boolean): Promise<void> {
  const left = processesOf(dataDir);
  const strays = left.filter(({ command }) => !OUTLIVES.test(command));
  for (const { pid } of left) kill(pid);
  for (let all = left; 0 < all.length; all = processesOf(dataDir)) {
    for (const { pid } of all) kill(pid);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  if (removes) rmSync(dataDir, { recursive: true, force: true });
  if (0 < strays.length)
    throw new Error(`left behind: ${strays.map(({ command }) => command.slice(0, 200)).join('; ')}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended by itself meanwhile.
  }
}

/** Processes that have the folder on their command line: the disk service and the VMs of this test. */
export function processesOf(dataDir: string): { readonly pid: number; readonly command: string }[] {
  return readdirSync('/proc').flatMap((name) => {
    if (!/^\d+$/.test(name) || Number(name) === process.pid) return [];
    try {
      const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ');
      return command.includes(dataDir) ? [{ pid: Number(name), command }] : [];
    } catch {
      return [];
    }
  });
}
