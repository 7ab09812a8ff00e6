/** Starts the real Chromium for a test. Its background services are off: they would call out to the internet. */
import { type Browser, chromium } from 'playwright-core';

const EXECUTABLE = process.env['ORIEL_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** `more`: switches of Chromium beside the usual ones. */
export async function openBrowser(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({
    executablePath: EXECUTABLE,
    headless: true,
    args: [
      '--no-sandbox', // Chromium refuses its own sandbox to root, which is who runs the suite in CI.
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      ...more,
    ],
  });
}
