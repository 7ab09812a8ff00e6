/**
 * Chords in browsers that nobody drives, with a real X keyboard: what arrives, that nothing stays down, and that the key
 * that follows does no harm. xev on the desktop's side says what came.
 */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { openStage, pressed, released, type Stage, startXServer, type XClient, type XServer } from './stage.ts';
import { type BrowserName, openXBrowser, type XBrowser } from './support/x-browser.ts';

const CANVAS = '[data-testid=screen] canvas';

/** What editors, shells and desktops use, and browsers have uses of their own for. */
const CHORDS =
  'ctrl+c ctrl+shift+c alt+f ctrl+alt+t shift+alt+F5 ctrl+r F5 F11 ctrl+l alt+Left ctrl+p ctrl+shift+i F12 ctrl+u ctrl+s'.split(
    ' ',
  );

describe.for<BrowserName>(['chromium', 'firefox'])('%s', (name) => {
  let x: XServer;
  let stage: Stage;
  let browser: XBrowser;
  let xev: XClient;

  beforeAll(async () => {
    x = await startXServer();
    xev = x.client('stdbuf', ['-oL', 'xev', '-geometry', '640x400+0+0', '-event', 'keyboard']);
    stage = await openStage(x.endpoint);
    browser = await openXBrowser(name, stage);
    await browser.until(`document.querySelector('[role=status]')?.textContent.includes('Connected') ?? false`, 40_000);
  }, 90_000);
  beforeEach(async () => {
    await browser.click(CANVAS);
    await hasFocus(CANVAS);
  });
  afterAll(async () => {
    await browser?.close();
    await stage?.close();
    await x?.close();
  });

  const hasFocus = (selector: string) => browser.until(`document.activeElement.matches(${JSON.stringify(selector)})`);

  /** The strokes that xev saw since, up to the end mark: `+` down, `-` up. */
  async function strokes(before: number): Promise<readonly string[]> {
    await browser.hands('key', 'F9');
    await xev.says(released('F9'), before);
    const seen = [
      ...xev
        .out()
        .slice(before)
        .matchAll(/Key(Press|Release) event[^]*?keysym 0x[0-9a-f]+, (\w+)\)/g),
    ];
    return seen
      .map(([, kind, keysym]) => `${kind === 'Press' ? '+' : '-'}${keysym}`)
      .filter((one) => !one.endsWith('F9'));
  }

  const downAfter = (all: readonly string[]): readonly string[] => {
    const down = new Set<string>();
    for (const one of all) {
      // A key is told by its first name: Shift makes l an L, and Alt a Meta.
      const key = one.slice(1).toLowerCase().replace('meta', 'alt');
      if (one.startsWith('+')) down.add(key);
      else down.delete(key);
    }
    return [...down];
  };

  test('Ctrl-Alt-Shift-L arrives, the focus stays, and what is typed next is as it is typed', async () => {
    const before = xev.out().length;
    await browser.hands('key', 'ctrl+alt+shift+l');
    await browser.hands('type', 'ok');
    const all = await strokes(before);
    expect(all).toContain('+L');
    expect(all).toEqual(expect.arrayContaining(['+o', '+k']));
    expect(downAfter(all)).toEqual([]);
    expect(await browser.read(`document.activeElement.matches(${JSON.stringify(CANVAS)})`)).toBe(true);
  });

  test('every chord that the browser does not keep arrives, and leaves nothing down', async () => {
    for (const chord of CHORDS) {
      const before = xev.out().length;
      await browser.hands('key', chord);
      const all = await strokes(before);
      const last = chord.split('+').at(-1) ?? '';
      expect(
        all.map((one) => one.toLowerCase()),
        chord,
      ).toContain(`+${last.toLowerCase()}`);
      expect(downAfter(all), chord).toEqual([]);
      expect(await browser.read(`document.activeElement.matches(${JSON.stringify(CANVAS)})`), chord).toBe(true);
    }
  });

  test('Control, Alt and Shift let go of lead out, nothing stays down, and Enter then does no harm', async () => {
    const before = xev.out().length;
    await browser.hands(
      'keydown',
      'ctrl',
      'keydown',
      'alt',
      'keydown',
      'shift',
      'keyup',
      'shift',
      'keyup',
      'alt',
      'keyup',
      'ctrl',
    );
    await hasFocus('[data-lead-out]');
    await browser.hands('key', 'Return', 'key', 'Return');
    await browser.click(CANVAS);
    await hasFocus(CANVAS);
    const all = await strokes(before);
    expect(downAfter(all)).toEqual([]);
    expect(all).not.toContain('+Delete');
  });

  test('a key that is held when the window loses the focus is let go of', async () => {
    const before = xev.out().length;
    await browser.hands('keydown', 'ctrl', 'keydown', 'a');
    await xev.says(pressed('a'), before);
    const other = x.client('xev', []); // Keeps a hand on the display; the browser's own display gets another window.
    await browser.hands('search', '--onlyvisible', '--name', '.*', 'windowunmap', 'windowmap');
    void other;
    await browser.hands('keyup', 'a', 'keyup', 'ctrl');
    await xev.says(released('a', 'Control_L'), before);
  });

  test('Enter on Ctrl-Alt-Del asks, and the answer at hand is no', async () => {
    const before = xev.out().length;
    await browser.read(`[...document.querySelectorAll('button')].find((b) => b.ariaLabel === 'Ctrl-Alt-Del').focus()`);
    await browser.hands('key', 'Return');
    await expect
      .poll(() => browser.read('document.querySelector("[role=dialog]")?.textContent ?? ""'))
      .toContain('Send Ctrl-Alt-Del?');
    await browser.hands('key', 'Return');
    await hasFocus(CANVAS);
    expect(await strokes(before)).toEqual([]);
  });
});
