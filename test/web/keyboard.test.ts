/**
 * Keys from the browser to what the guest makes of them: layouts, dead keys, AltGr, combinations. Chromium gets its key
 * events as from a keyboard of that layout (DevTools `Input.dispatchKeyEvent`); xev on Xtigervnc says which keysyms came,
 * the toy guest on QEMU which scancodes.
 */
import type { CDPSession, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { untilSerial } from '../support/live.ts';
import { openStage, released, type Stage, startXServer, type XClient, type XServer } from './stage.ts';
import { demoDesktop, openWeb, untilStatus, type Web } from './support.ts';

interface Stroke {
  readonly code: string;
  readonly key: string;
  /** What the key is called on a US keyboard decides this number. */
  readonly keyCode: number;
  /** 1 Alt, 2 Ctrl, 8 Shift. */
  readonly modifiers?: number;
}

async function stroke(cdp: CDPSession, { code, key, keyCode, modifiers = 0 }: Stroke): Promise<void> {
  const common = { code, key, windowsVirtualKeyCode: keyCode, modifiers };
  const text = key.length === 1 ? { text: key } : {};
  await cdp.send('Input.dispatchKeyEvent', { type: key.length === 1 ? 'keyDown' : 'rawKeyDown', ...common, ...text });
  await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...common });
}

const canvas = (page: Page) => page.getByTestId('screen').locator('canvas');

describe('a VNC server that maps keysyms (Xtigervnc)', () => {
  let x: XServer;
  let stage: Stage;
  let page: Page;
  let cdp: CDPSession;
  let xev: XClient;

  beforeAll(async () => {
    x = await startXServer();
    xev = x.client('stdbuf', ['-oL', 'xev', '-geometry', '640x400+0+0', '-event', 'keyboard']);
    stage = await openStage(x.endpoint);
    page = await stage.open();
    cdp = await page.context().newCDPSession(page);
    // The pointer is on xev's window, so keys go to it.
    await canvas(page).click({ position: { x: 60, y: 60 } });
    // The first keysym that Xtigervnc's keyboard lacks makes it a new keyboard, and xev prints that one key by the old.
    await seenAfter(() => stroke(cdp, { code: 'KeyO', key: 'ø', keyCode: 79 }));
  });
  afterAll(async () => {
    await stage?.close();
    await x?.close();
  });

  /** The keysyms of the presses that xev saw since, modifiers aside. */
  async function seenAfter(type: () => Promise<void>): Promise<readonly string[]> {
    const before = xev.out().length;
    await type();
    // The end mark: what was typed before it has come when it has.
    await stroke(cdp, { code: 'F9', key: 'F9', keyCode: 120 });
    const text = (): string => xev.out().slice(before);
    await xev.says(released('F9'), before);
    const names = [...text().matchAll(/KeyPress event[^]*?keysym 0x[0-9a-f]+, (\w+)\)/g)].map(([, name]) => name ?? '');
    return names.filter((name) => !/^(F9|Shift_L|Control_[LR]|Alt_L|ISO_Level3_Shift|NoSymbol)$/.test(name));
  }

  test.for([
    { it: 'ö and ß of a German keyboard', keys: ['Semicolon ö 186', 'Minus ß 189'], seen: ['odiaeresis', 'ssharp'] },
    { it: 'z where a US keyboard has y', keys: ['KeyY z 90'], seen: ['z'] },
    { it: 'é and ç of a French one', keys: ['Digit2 é 50', 'Digit9 ç 57'], seen: ['eacute', 'ccedilla'] },
    { it: 'Cyrillic', keys: ['KeyF а 65', 'KeyZ я 90'], seen: ['Cyrillic_a', 'Cyrillic_ya'] },
    { it: 'Greek', keys: ['KeyA α 65'], seen: ['Greek_alpha'] },
  ])('$it: the character that the key makes here is the one that comes', async ({ keys, seen }) => {
    const came: string[] = [];
    // One at a time: Xtigervnc gives a new keysym a spare place on its keyboard, and xev looks there when it prints.
    for (const [code = '', key = '', keyCode] of keys.map((each) => each.split(' '))) {
      came.push(...(await seenAfter(() => stroke(cdp, { code, key, keyCode: Number(keyCode) }))));
    }
    expect(came).toEqual(seen);
  });

  test('AltGr on Linux: the third level comes as its character', async () => {
    const type = async (): Promise<void> => {
      const altGr = { code: 'AltRight', key: 'AltGraph', windowsVirtualKeyCode: 225 };
      await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...altGr });
      await stroke(cdp, { code: 'KeyQ', key: '@', keyCode: 81 });
      await stroke(cdp, { code: 'KeyE', key: '€', keyCode: 69 });
      await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...altGr });
    };
    expect(await seenAfter(type)).toEqual(['at', 'EuroSign']);
  });

  test('a dead key and its letter come as the composed character, once', async () => {
    const type = async (): Promise<void> => {
      // What Chromium tells of ´ and then e: a dead key that makes nothing, and an é.
      await stroke(cdp, { code: 'Equal', key: 'Dead', keyCode: 229 });
      await stroke(cdp, { code: 'KeyE', key: 'é', keyCode: 69 });
      await stroke(cdp, { code: 'Equal', key: 'Dead', keyCode: 229 });
      await stroke(cdp, { code: 'KeyO', key: 'ó', keyCode: 79 });
    };
    expect(await seenAfter(type)).toEqual(['eacute', 'oacute']);
  });

  test('the on-screen field sends what an input method settled on', async () => {
    await page.getByRole('button', { name: 'On-screen keys' }).click();
    await page.getByRole('textbox', { name: 'Type to the desktop' }).click();
    const composing = { selectionStart: 1, selectionEnd: 1 };
    const type = async (): Promise<void> => {
      await cdp.send('Input.imeSetComposition', { text: 'ñ', ...composing });
      await cdp.send('Input.insertText', { text: 'ñandú' });
      const from = xev.out().length;
      await page.getByRole('button', { name: 'F9', exact: true }).click();
      await xev.says(released('F9'), from);
    };
    expect(await seenAfter(type)).toEqual(['ntilde', 'a', 'n', 'd', 'uacute']);
    await page.getByRole('button', { name: 'On-screen keys' }).click();
    await canvas(page).focus();
  });

  test('a combination of the menu arrives in order and is let go of', async () => {
    const before = xev.out().length;
    await page.getByRole('button', { name: 'Special keys' }).click();
    await page.getByRole('menuitem', { name: 'Ctrl-Alt-Backspace' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Send', exact: true }).click();
    const text = (): string => xev.out().slice(before);
    await expect.poll(text).toMatch(released('Control_L'));
    const strokes = [...text().matchAll(/Key(Press|Release) event[^]*?keysym 0x[0-9a-f]+, (\w+)\)/g)];
    expect(strokes.map(([, kind, name]) => `${kind} ${name}`)).toEqual([
      'Press Control_L',
      'Press Alt_L',
      'Press BackSpace',
      'Release BackSpace',
      'Release Alt_L',
      'Release Control_L',
    ]);
  });

  test('Control, Alt and Shift together lead out of the screen, and stay down nowhere', async () => {
    await canvas(page).focus();
    const before = xev.out().length;
    for (const key of ['Control', 'Alt', 'Shift']) await page.keyboard.down(key);
    expect(await page.evaluate("document.activeElement.closest('canvas') !== null")).toBe(true);
    for (const key of ['Shift', 'Alt', 'Control']) await page.keyboard.up(key);
    await expect.poll(() => page.evaluate('document.activeElement.ariaLabel')).toBe('Special keys');
    await xev.says(released('Control_L', 'Alt_L'), before);
    await page.keyboard.press('Tab');
    expect(await page.evaluate("document.activeElement.closest('canvas')")).toBeNull();
  });

  test('a key that is held when the page loses the focus is let go of in the guest', async () => {
    const before = xev.out().length;
    await canvas(page).focus();
    await page.keyboard.down('a');
    await page.getByRole('button', { name: 'Clipboard', exact: true }).focus();
    await expect.poll(() => xev.out().slice(before)).toMatch(released('a'));
    await page.keyboard.up('a');
  });
});

describe('QEMU, which takes scancodes', () => {
  let web: Web;
  beforeAll(async () => {
    web = await openWeb();
  });
  afterAll(() => web?.close());

  test('every printable character arrives as typed from the on-screen keyboard of a phone', async () => {
    const { page } = web;
    const desktop = await demoDesktop(web.client);
    await page.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
    await untilStatus(page, 'Connected');
    await page.getByRole('button', { name: 'On-screen keys' }).click();
    const field = page.getByRole('textbox', { name: 'Type to the desktop' });
    await field.click();
    const cdp = await page.context().newCDPSession(page);
    // As phones have it: no key events, the text changes. The toy guest echoes what its BIOS made of the scancodes.
    const printable = Array.from({ length: 95 }, (_, at) => String.fromCharCode(0x20 + at));
    for (const character of printable) await cdp.send('Input.insertText', { text: character });
    const escaped = printable.join('').replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
    await untilSerial(web.gateway.dataDir, desktop.id, new RegExp(escaped));
    // Several at once, as word completion does, and what the guest's keyboard has not.
    await cdp.send('Input.insertText', { text: 'Hello, World! é' });
    await page.getByText('The desktop’s keyboard has no é').waitFor();
    await untilSerial(web.gateway.dataDir, desktop.id, /Hello, World! /);
    await page.getByRole('button', { name: 'On-screen keys' }).click();
  });

  test('a long text is typed whole, with its line ends; what cannot be typed is named first; it can be stopped', async () => {
    const { page } = web;
    const desktop = await demoDesktop(web.client);
    await page.getByRole('button', { name: 'Clipboard', exact: true }).click();
    await page.getByText('This desktop shares no clipboard').waitFor();
    expect(await page.getByRole('button', { name: 'Send to the desktop' }).count()).toBe(0);
    const field = page.getByRole('textbox', { name: 'To the desktop' });
    await field.fill('naïve €');
    await page.getByText('That keyboard has no ï €').waitFor();
    expect(await page.getByRole('button', { name: 'Type it' }).isDisabled()).toBe(true);
    // 700 characters of lines, each with a number so that a lost one is seen.
    const lines = Array.from({ length: 28 }, (_, at) => `${at} The Quick brown #${at} {x}`);
    await field.fill(lines.join('\n'));
    await page.getByRole('button', { name: 'Type it' }).click();
    const all = lines.map((line) => line.replace(/[{}]/g, '\\$&')).join('\\r\\n');
    await untilSerial(web.gateway.dataDir, desktop.id, new RegExp(all));
    await field.fill('y'.repeat(2000));
    await page.getByRole('button', { name: 'Type it' }).click();
    await page.getByRole('button', { name: 'Stop' }).click();
    await page.getByText(/Stopped: [\d,]+ keys were not typed/).waitFor();
    await page.getByRole('button', { name: 'Close clipboard' }).click();
  }, 90_000);

  test('a German keyboard on a guest with a US one: what stands on the keys is what arrives', async () => {
    const { page } = web;
    const desktop = await demoDesktop(web.client);
    await page.getByRole('button', { name: 'Keyboard of the desktop' }).click();
    await page.getByRole('menuitem', { name: 'English (US)' }).click();
    await canvas(page).focus();
    const cdp = await page.context().newCDPSession(page);
    const shift = { code: 'ShiftLeft', key: 'Shift', windowsVirtualKeyCode: 16 };
    await stroke(cdp, { code: 'KeyY', key: 'z', keyCode: 90 });
    await cdp.send('Input.dispatchKeyEvent', { type: 'rawKeyDown', ...shift, modifiers: 8 });
    await stroke(cdp, { code: 'Digit7', key: '/', keyCode: 55, modifiers: 8 });
    await stroke(cdp, { code: 'KeyZ', key: 'Y', keyCode: 89, modifiers: 8 });
    await cdp.send('Input.dispatchKeyEvent', { type: 'keyUp', ...shift });
    await stroke(cdp, { code: 'Slash', key: '-', keyCode: 189 });
    await untilSerial(web.gateway.dataDir, desktop.id, /z\/Y-/);
    await page.getByRole('button', { name: 'Keyboard of the desktop' }).click();
    await page.getByRole('menuitem', { name: 'The same as mine' }).click();
  });

  test('the layout that counts is the guest’s: the places of the keys are what arrives', async () => {
    const { page } = web;
    const desktop = await demoDesktop(web.client);
    await page.goto(`${web.gateway.origin}/desktops/${desktop.id}`);
    await untilStatus(page, 'Connected');
    await canvas(page).focus();
    const cdp = await page.context().newCDPSession(page);
    // A German keyboard here, a US one there.
    await stroke(cdp, { code: 'BracketLeft', key: 'ü', keyCode: 186 });
    await stroke(cdp, { code: 'KeyY', key: 'z', keyCode: 90 });
    await stroke(cdp, { code: 'Slash', key: '-', keyCode: 189 });
    await untilSerial(web.gateway.dataDir, desktop.id, /\[y\//);
  });
});
