/**
 * The built pages, the real edge and the real broker in this process, on a VNC server of the test's choice: what needs a
 * desktop that no host driver makes (Xtigervnc, a server that floods), or that has to be looked at from inside.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import type { Browser, BrowserContextOptions, Page } from 'playwright-core';
import { type Desktop, getDesktop } from '../../gateway/api/desktop.ts';
import type { SessionRules } from '../../gateway/api/session-rules.ts';
import { type SessionFeature, sessionFeature } from '../../gateway/src/access/feature.ts';
import { policyOf } from '../../gateway/src/access/policies/policy.ts';
import {
  startTestGateway,
  type TestGateway,
  type TestGatewayOptions,
  type TestPerson,
} from '../../gateway/src/edge/testing/gateway.ts';
import { bind } from '../../gateway/src/platform/api/bind.ts';
import type { DisplayEndpoint } from '../../hosts/src/index.ts';
import { openBrowser } from '../support/browser.ts';
import { untilStatus } from './support.ts';

const PAGES = fileURLToPath(new URL('../../gateway/dist/web', import.meta.url));
const DESKTOP: Desktop = {
  id: 'd1',
  kind: 'vm',
  name: 'stage',
  description: '',
  state: 'running',
  reason: null,
  views: ['display'],
  hasClipboard: true,
  rights: ['see', 'view', 'open'],
  thumbnailUrl: null,
};

export interface Stage {
  /** A page of a browser of its own, signed in, that shows the desktop. */
  open(options?: BrowserContextOptions): Promise<Page>;
  /** The address of that page, and what signs a browser in. */
  readonly address: string;
  readonly cookie: { readonly name: string; readonly value: string };
  readonly gateway: TestGateway;
  /** Whose it is. */
  readonly person: TestPerson;
  close(): Promise<void>;
}

/** `more`: settings of the gateway, and where its log goes. */
export async function openStage(
  endpoint: () => DisplayEndpoint | Promise<DisplayEndpoint>,
  rules: SessionRules = {},
  more: Pick<TestGatewayOptions, 'env' | 'log'> = {},
): Promise<Stage> {
  const features: SessionFeature[] = [];
  const gateway = await startTestGateway({
    ...more,
    server: { webFolder: PAGES },
    features: (edge) => {
      const describe = async () => ({
        name: DESKTOP.name,
        kinds: ['display'] as const,
        isOn: true,
        policy: policyOf(rules),
      });
      const feature = sessionFeature({ ...edge, desktops: { describe, endpoint: async () => endpoint() } });
      features.push(feature);
      const desktop = async (id: string) => (id === DESKTOP.id ? { desktopId: id } : undefined);
      const routes = [...feature.routes, bind(getDesktop, async () => DESKTOP)];
      return { ...feature, routes, lookups: { ...feature.lookups, desktop } };
    },
  });
  const person = await gateway.person('ann', 'user');
  await gateway.assign(person.userId, DESKTOP.id, 'open');
  const [name = '', value = ''] = person.headers.cookie.split('=');
  const address = `${gateway.origin}/desktops/${DESKTOP.id}`;
  let browser: Browser | undefined;
  return {
    address,
    cookie: { name, value },
    gateway,
    person,
    open: async (options) => {
      browser ??= await openBrowser();
      const context = await browser.newContext({ reducedMotion: 'reduce', ...options });
      context.setDefaultTimeout(15_000);
      await context.addCookies([{ name, value, url: gateway.origin }]);
      const page = await context.newPage();
      await page.goto(address);
      await untilStatus(page, 'Connected');
      return page;
    },
    close: async () => {
      await browser?.close();
      await features[0]?.close();
      await gateway.close();
    },
  };
}

export interface XServer {
  /** For X clients. */
  readonly display: string;
  readonly endpoint: () => DisplayEndpoint;
  /** An X client. What it prints, and its end. */
  client(command: string, args: readonly string[], input?: string): XClient;
  close(): Promise<void>;
}
export interface XClient {
  readonly out: () => string;
  readonly ended: Promise<string>;
  /** Once it has said so, in what comes from that place on. */
  says(pattern: RegExp, from?: number): Promise<RegExpExecArray>;
}

const strokeOf = (kind: 'Press' | 'Release', keysym: string): string =>
  // Within one event: not a release of one key and, somewhere after it, the press of the one that is asked for.
  `Key${kind} event(?:(?!Key(?:Press|Release) event)[^])*?keysym 0x[0-9a-f]+, ${keysym}\\)`;

/** What xev prints when the key goes down. */
export const pressed = (keysym: string): RegExp => new RegExp(strokeOf('Press', keysym));

/** What xev has printed when every one of these keys has come up, in any order. */
export const released = (...keysyms: readonly string[]): RegExp =>
  new RegExp(`^${keysyms.map((keysym) => `(?=[^]*${strokeOf('Release', keysym)})`).join('')}`);

/** TigerVNC's X server on a unix socket, which needs no password. */
export async function startXServer(...more: string[]): Promise<XServer> {
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-x-'));
  const socket = path.join(folder, 'vnc');
  const children: ChildProcess[] = [];
  // It takes the first free display number and says which.
  const args = ['-displayfd', '1', '-geometry', '640x400', '-depth', '24', '-SecurityTypes', 'None', '-rfbport', '-1'];
  const server = spawn('Xtigervnc', [...args, '-rfbunixpath', socket, '-AlwaysShared', '-nolisten', 'tcp', ...more]);
  children.push(server);
  server.stderr.resume();
  const [number] = await reader(server, server.stdout).says(/^(\d+)\n/);
  const display = `:${number?.trim()}`;
  return {
    display,
    endpoint: () => ({
      kind: 'rfb',
      expires: Date.now() + 30_000,
      dial: ({ onread } = {}) =>
        new Promise((resolve, reject) => {
          const to = createConnection(onread === undefined ? { path: socket } : { path: socket, onread });
          to.once('connect', () => resolve(to));
          to.once('error', reject);
        }),
    }),
    client: (command, given, input) => {
      const child = spawn(command, given, { env: { ...process.env, DISPLAY: display } });
      children.push(child);
      if (input !== undefined) child.stdin.end(input);
      return reader(child, child.stdout, child.stderr);
    },
    close: async () => {
      for (const child of children.reverse()) {
        if (child.exitCode !== null || child.signalCode !== null) continue;
        const gone = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await gone;
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const SAY_MS = 10_000;

function reader(child: ChildProcess, ...from: Readable[]): XClient {
  let text = '';
  let wake = (): void => undefined;
  const take = (chunk: Buffer): void => {
    text += chunk.toString();
    wake();
  };
  for (const stream of from) stream.on('data', take);
  return {
    out: () => text,
    ended: new Promise((resolve) => child.once('close', () => resolve(text))),
    says: async (pattern, at = 0) => {
      const timer = setTimeout(() => wake(), SAY_MS);
      const until = Date.now() + SAY_MS;
      let found = pattern.exec(text.slice(at));
      for (; found === null; found = pattern.exec(text.slice(at))) {
        if (until <= Date.now()) throw new Error(`no ${pattern} in: ${text}`);
        await new Promise<void>((resolve) => (wake = resolve));
      }
      clearTimeout(timer);
      return found;
    },
  };
}
