/**
 * Starts the real Chromium for a test, as the shell without a window: pages and engine are the same, and it needs 40% of the
 * processor time. Its background services are off: they would call out to the internet.
 */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

const SHELL = process.env['ORIEL_TEST_CHROMIUM_SHELL'] ?? '/usr/bin/chromium-headless-shell';
/** It alone has the settings that a person has. */
const WHOLE = process.env['ORIEL_TEST_CHROMIUM'] ?? '/usr/bin/chromium';

/** `more`: switches of Chromium beside the usual ones. */
export async function openBrowser(more: readonly string[] = []): Promise<Browser> {
  return chromium.launch({ executablePath: SHELL, headless: true, args: [...ARGS, ...more] });
}

const ARGS = [
  '--no-sandbox', // Chromium refuses its own sandbox to root, which is who runs the suite in CI.
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** One whose person has blocked all cookies, as its settings offer. */
export async function withoutCookies(use: (context: BrowserContext) => Promise<void>): Promise<void> {
  const profile = mkdtempSync(path.join(tmpdir(), 'oriel-no-cookies-'));
  mkdirSync(path.join(profile, 'Default'));
  const blocked = { profile: { default_content_setting_values: { cookies: 2 } } };
  writeFileSync(path.join(profile, 'Default', 'Preferences'), JSON.stringify(blocked));
  const settings = { executablePath: WHOLE, headless: true, args: ARGS, reducedMotion: 'reduce' } as const;
  try {
    const context = await chromium.launchPersistentContext(profile, settings);
    try {
      await use(context);
    } finally {
      await context.close();
    }
  } finally {
    // The last of its processes may still write.
    await rm(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  }
}
