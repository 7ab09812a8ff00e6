/** A real gateway and a signed-in page of real Chromium, for the tests of the pages. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { type Client, createClient } from '../../gateway/shared/client.ts';
import { listDesktops } from '../../gateway/shared/desktop.ts';
import { openBrowser } from '../support/browser.ts';
import { fetchWith, type StartGatewayOptions, startGateway, type TestGateway } from '../support/gateway.ts';

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
    await page.goto(gateway.link ?? '');
    await page.getByRole('heading', { name: 'Desktops' }).waitFor();
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
