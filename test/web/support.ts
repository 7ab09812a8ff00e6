/** A real gateway and a signed-in page of real Chromium, for the tests of the pages. */
import type { Browser, BrowserContext, BrowserContextOptions, Page } from 'playwright-core';
import { type Client, createClient } from '../../gateway/api/client.ts';
import { listDesktops } from '../../gateway/api/desktop.ts';
import { createAssignment, createUser, linkUser } from '../../gateway/api/people.ts';
import type { DesktopRight, Role } from '../../gateway/api/rights.ts';
import { openBrowser } from '../support/browser.ts';
import { fetchWith, type StartGatewayOptions, startGateway, type TestGateway } from '../support/gateway.ts';
import { readToyScreen, type ToyScreen } from '../support/toy-screen.ts';

export interface Web {
  readonly gateway: TestGateway;
  readonly browser: Browser;
  readonly context: BrowserContext;
  /** Signed in as the first admin, on the list of desktops. */
  readonly page: Page;
  /** The API as that admin. */
  readonly client: Client;
  close(): Promise<void>;
}

export async function openWeb(options: StartGatewayOptions = {}): Promise<Web> {
  const gateway = await startGateway(options);
  try {
    const browser = await openBrowser();
    const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce' });
    const page = await context.newPage();
    await openLink(page, gateway.link ?? '');
    await page.getByRole('heading', { name: 'Desktops', exact: true }).waitFor();
    const client = await clientOf(context, gateway.origin);
    const close = async (): Promise<void> => {
      await browser.close();
      await gateway.stop();
    };
    return { gateway, browser, context, page, client, close };
  } catch (error) {
    await gateway.stop();
    throw error;
  }
}

/** Opens a one-time link and presses the button that it leads to. */
export async function openLink(page: Page, link: string): Promise<void> {
  await page.goto(link);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** The API with the cookie of a browser that has signed in. */
export async function clientOf(context: BrowserContext, origin: string): Promise<Client> {
  const cookie = (await context.cookies()).map(({ name, value }) => `${name}=${value}`).join('; ');
  return createClient(origin, { fetch: fetchWith({ cookie, origin }) });
}

/** The demo desktop that the first start makes. */
export async function demoDesktop(client: Client): Promise<{ readonly id: string; readonly name: string }> {
  const [first] = (await client.call(listDesktops, { query: {} })).items;
  if (first === undefined) throw new Error('there is no demo desktop');
  return first;
}

/** Waits for the status of the session page to begin with `text`. */
export async function untilStatus(page: Page, text: string): Promise<void> {
  await page.getByRole('status').filter({ hasText: text }).waitFor();
}

export interface NewPerson {
  readonly roles?: Role[];
  /** What they may do with the desktop. */
  readonly desktopId?: string;
  readonly rights?: DesktopRight[];
}

/** Makes an account and gives the address that signs it in, once. */
export async function invite(client: Client, name: string, person: NewPerson = {}): Promise<string> {
  const { roles = ['user'], desktopId, rights = ['open'] } = person;
  const user = await client.call(createUser, { body: { name, roles } });
  if (desktopId !== undefined) await client.call(createAssignment, { body: { desktopId, userId: user.id, rights } });
  return (await client.call(linkUser, { params: { userId: user.id } })).url;
}

/** A browser of its own, signed in by that address and on the list of desktops. */
export async function enter(web: Pick<Web, 'browser'>, link: string, more: BrowserContextOptions = {}): Promise<Page> {
  const context = await web.browser.newContext({ reducedMotion: 'reduce', ...more });
  context.setDefaultTimeout(15_000);
  const page = await context.newPage();
  // The cookies of another page may be enough.
  if (link.includes('#link=')) await openLink(page, link);
  else await page.goto(link);
  await page.getByRole('heading', { name: 'Desktops', exact: true }).waitFor();
  return page;
}

const SCREEN_MS = 20_000;

/** The toy guest's screen as the canvas of the session page shows it, once `isAwaited` holds. */
export async function screenOf(page: Page, isAwaited: (screen: ToyScreen) => boolean): Promise<ToyScreen> {
  const started = Date.now();
  for (;;) {
    const canvas = page.getByTestId('screen').locator('canvas');
    const url = await canvas.evaluate((element) => (element as unknown as { toDataURL(): string }).toDataURL());
    const png = Buffer.from(url.split(',')[1] ?? '', 'base64');
    const screen = 0 < png.byteLength ? readToyScreen(png) : undefined; // A canvas without size has no picture yet.
    if (screen !== undefined && isAwaited(screen)) return screen;
    if (SCREEN_MS < Date.now() - started) throw new Error(`the screen shows ${JSON.stringify(screen)}`);
    await page.evaluate('new Promise((drawn) => requestAnimationFrame(drawn))');
  }
}
