/**
 * Chromium and Firefox as a person has them: a window on an X display, keys and mouse from that display's server (XTEST).
 * A browser that a test tool drives emulates the focus, so that `blur` never comes and keys never stick; here the tool's
 * door (CDP, BiDi) is used only to go to an address and to read the page.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import WebSocket from 'ws';

export type BrowserName = 'chromium' | 'firefox';

export interface XBrowser {
  /** Reads the page: an expression, and what it gives. */
  read<T>(expression: string): Promise<T>;
  /** Once the expression gives something true: it is asked again and again, for a page tells a reader of nothing. */
  until(expression: string, withinMs?: number): Promise<void>;
  /** What xdotool does on the display, word for word: `key ctrl+alt+l`, `type hello`. */
  hands(...words: readonly string[]): Promise<void>;
  /** A click with the mouse in the middle of the element, or at a place in it. */
  click(selector: string): Promise<void>;
  close(): Promise<void>;
}

export interface XBrowserOptions {
  readonly address: string;
  readonly cookie: { readonly name: string; readonly value: string };
}

const run = promisify(execFile);
const WAIT_MS = 30_000;

export async function openXBrowser(name: BrowserName, { address, cookie }: XBrowserOptions): Promise<XBrowser> {
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-xb-'));
  const children: ChildProcess[] = [];
  const close = async (): Promise<void> => {
    for (const child of children.reverse()) await ended(child);
    rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
  };
  try {
    const display = await startDisplay(children);
    const door = await (name === 'chromium' ? startChromium : startFirefox)(folder, display, children);
    await door.go(address, cookie);
    const hands = async (...words: readonly string[]): Promise<void> => {
      await run('xdotool', words, { env: { ...process.env, DISPLAY: display } });
    };
    const click = async (selector: string): Promise<void> => {
      const place = `(() => { const r = document.querySelector(${JSON.stringify(selector)}).getBoundingClientRect();
        return [mozInnerScreenX(), mozInnerScreenY()].map((at, i) => Math.round(at + (i ? r.top + r.height / 2 : r.left + r.width / 2)));
        function mozInnerScreenX() { return window.mozInnerScreenX ?? window.screenX + (window.outerWidth - window.innerWidth) / 2; }
        function mozInnerScreenY() { return window.mozInnerScreenY ?? window.screenY + window.outerHeight - window.innerHeight; } })()`;
      const [x = 0, y = 0] = await door.read<readonly number[]>(place);
      await hands('mousemove', String(x), String(y), 'click', '1');
    };
    const until = async (expression: string, withinMs = 10_000): Promise<void> =>
      void (await once(() => door.read(expression), expression, withinMs));
    return { read: (expression) => door.read(expression), until, hands, click, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** With all that it has started: helpers of a browser write into its folder for as long as they live. */
async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  process.kill(-child.pid, 'SIGKILL');
  await gone;
}

/** A display without a window manager: the one window has the keyboard. */
async function startDisplay(children: ChildProcess[]): Promise<string> {
  const server = spawn('Xvfb', ['-displayfd', '1', '-screen', '0', '1200x800x24', '-nolisten', 'tcp'], {
    detached: true,
  });
  children.push(server);
  server.stderr.resume();
  const [number] = await lineOf(server, 'stdout', /^(\d+)\n/);
  return `:${number.trim()}`;
}

/** The way in for reading. */
interface Door {
  go(address: string, cookie: XBrowserOptions['cookie']): Promise<void>;
  read<T>(expression: string): Promise<T>;
}

async function startChromium(folder: string, display: string, children: ChildProcess[]): Promise<Door> {
  const args = ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-sync'];
  const more = [
    '--disable-component-update',
    '--window-position=0,0',
    '--window-size=1200,800',
    '--force-prefers-reduced-motion',
  ];
  const browser = spawn(
    process.env['ORIEL_TEST_CHROMIUM'] ?? '/usr/bin/chromium',
    [...args, ...more, `--user-data-dir=${folder}`, '--remote-debugging-port=0', 'about:blank'],
    { env: { ...process.env, DISPLAY: display }, stdio: ['ignore', 'ignore', 'pipe'], detached: true },
  );
  children.push(browser);
  const [, port] = await lineOf(browser, 'stderr', /DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//);
  const targets = async (): Promise<readonly { type: string; webSocketDebuggerUrl: string }[]> =>
    (await (await fetch(`http://127.0.0.1:${port}/json/list`)).json()) as [];
  const page = await once(async () => (await targets()).find(({ type }) => type === 'page'));
  const call = await wire(page.webSocketDebuggerUrl);
  return {
    go: async (address, cookie) => {
      await call('Network.setCookie', { ...cookie, url: address });
      await call('Page.navigate', { url: address });
    },
    read: async <T>(expression: string) => {
      const answer = await call('Runtime.evaluate', { expression, returnByValue: true, awaitPromise: true });
      return (answer['result'] as { value: T }).value;
    },
  };
}

async function startFirefox(folder: string, display: string, children: ChildProcess[]): Promise<Door> {
  // Without these Firefox emulates the focus for whoever holds its door, as the driven ones do.
  const prefs = {
    'remote.prefs.recommended': false,
    'browser.shell.checkDefaultBrowser': false,
    'ui.prefersReducedMotion': 1,
  };
  const quiet = {
    'datareporting.policy.dataSubmissionEnabled': false,
    'app.update.enabled': false,
    'browser.aboutwelcome.enabled': false,
  };
  const lines = Object.entries({ ...prefs, ...quiet }).map(([name, value]) => `user_pref("${name}", ${value});`);
  writeFileSync(path.join(folder, 'user.js'), lines.join('\n'));
  const browser = spawn(
    '/usr/bin/firefox-esr',
    [
      '--no-remote',
      '--profile',
      folder,
      '--width',
      '1200',
      '--height',
      '800',
      '--remote-debugging-port',
      '0',
      'about:blank',
    ],
    { detached: true, env: { ...process.env, DISPLAY: display, HOME: folder }, stdio: ['ignore', 'ignore', 'pipe'] },
  );
  children.push(browser);
  const [, url] = await lineOf(browser, 'stderr', /WebDriver BiDi listening on (ws:\/\/\S+)/);
  const call = await wire(`${url}/session`);
  await call('session.new', { capabilities: {} });
  const tree = await call('browsingContext.getTree', {});
  const context = (tree['contexts'] as readonly { context: string }[])[0]?.context;
  return {
    go: async (address, { name, value }) => {
      const { hostname } = new URL(address);
      await call('storage.setCookie', { cookie: { name, value: { type: 'string', value }, domain: hostname } });
      await call('browsingContext.navigate', { context, url: address, wait: 'none' });
    },
    read: async <T>(expression: string) => {
      const wrapped = `(async () => JSON.stringify(await (${expression})))()`;
      const answer = await call('script.evaluate', { expression: wrapped, target: { context }, awaitPromise: true });
      const { value } = answer['result'] as { value?: string };
      return (value === undefined ? undefined : JSON.parse(value)) as T;
    },
  };
}

const AGAIN_MS = 100;

async function once<T>(ask: () => Promise<T | undefined | false>, what = 'an answer', withinMs = WAIT_MS): Promise<T> {
  for (const from = Date.now(); Date.now() - from < withinMs; ) {
    const answer = await ask();
    if (answer !== undefined && answer !== false) return answer;
    await pause(AGAIN_MS);
  }
  throw new Error(`it did not come: ${what}`);
}

type Call = (method: string, params: object) => Promise<Record<string, unknown>>;

/** Questions and answers over one socket: CDP and BiDi are alike in this. */
async function wire(url: string): Promise<Call> {
  const socket = new WebSocket(url);
  const waiting = new Map<
    number,
    { resolve: (value: Record<string, unknown>) => void; reject: (error: Error) => void }
  >();
  let last = 0;
  socket.on('message', (data: Buffer) => {
    const message = JSON.parse(data.toString()) as { id?: number; result?: Record<string, unknown>; error?: unknown };
    const one = waiting.get(message.id ?? -1);
    if (one === undefined) return;
    waiting.delete(message.id ?? -1);
    if (message.error === undefined) one.resolve(message.result ?? {});
    else one.reject(new Error(data.toString()));
  });
  await new Promise<void>((resolve, reject) => socket.once('open', resolve).once('error', reject));
  return (method, params) =>
    new Promise((resolve, reject) => {
      last += 1;
      waiting.set(last, { resolve, reject });
      socket.send(JSON.stringify({ id: last, method, params }));
    });
}

/** Waits for a child to say so. */
function lineOf(child: ChildProcess, from: 'stdout' | 'stderr', pattern: RegExp): Promise<RegExpExecArray> {
  return new Promise((resolve, reject) => {
    let text = '';
    const timer = setTimeout(() => reject(new Error(`no ${pattern} in: ${text}`)), WAIT_MS);
    child.once('exit', () => reject(new Error(`it has gone: ${text}`)));
    child[from]?.on('data', (chunk: Buffer) => {
      text = (text + chunk.toString()).slice(-8192);
      const found = pattern.exec(text);
      if (found === null) return;
      clearTimeout(timer);
      resolve(found);
    });
  });
}
