import { expect, test } from 'vitest';
import { foreignStrokes, LEVEL_KEYS } from './foreign-keyboard.ts';
import type { Key } from './keys.ts';
import type { LayoutId } from './layouts.ts';

const held = (...codes: string[]): Key[] => codes.flatMap((code) => LEVEL_KEYS.get(code) ?? []);

test.for<{ it: string; key: string; held?: Key[]; isShortcut?: boolean; layoutId: LayoutId; sent: string | null }>([
  { it: 'z of a German keyboard', key: 'z', layoutId: 'us', sent: '+KeyZ -KeyZ' },
  {
    it: 'Shift-7 of one is a slash',
    key: '/',
    held: held('ShiftLeft'),
    layoutId: 'us',
    sent: '-ShiftLeft +Slash -Slash +ShiftLeft',
  },
  {
    it: 'AltGr-Q of one is an at',
    key: '@',
    held: held('AltRight'),
    layoutId: 'us',
    sent: '-AltRight +ShiftLeft +Digit2 -Digit2 -ShiftLeft +AltRight',
  },
  {
    it: 'a capital',
    key: 'A',
    held: held('ShiftRight'),
    layoutId: 'us',
    sent: '-ShiftRight +ShiftLeft +KeyA -KeyA -ShiftLeft +ShiftRight',
  },
  {
    it: 'an at on a US keyboard, for a German guest',
    key: '@',
    held: held('ShiftLeft'),
    layoutId: 'de',
    sent: '-ShiftLeft +AltRight +KeyQ -KeyQ -AltRight +ShiftLeft',
  },
  { it: 'Ctrl-Z goes to where Z is there', key: 'z', isShortcut: true, layoutId: 'de', sent: '+KeyY -KeyY' },
  { it: 'Ctrl-Shift-Z too', key: 'Z', held: held('ShiftLeft'), isShortcut: true, layoutId: 'de', sent: '+KeyY -KeyY' },
  { it: 'a letter that the guest has not', key: 'ß', layoutId: 'us', sent: null },
  { it: 'a dead key waits for its letter', key: 'Dead', layoutId: 'us', sent: '' },
])('$it', ({ key, layoutId, sent, held: down = [], isShortcut = false }) => {
  const strokes = foreignStrokes({ key, held: down, isShortcut }, layoutId);
  expect(strokes?.map(({ code, down: isDown }) => `${isDown ? '+' : '-'}${code}`).join(' ') ?? null).toBe(sent);
});

test.for(['Enter', 'F5', 'Shift', 'ArrowLeft', 'Control'])('%s goes as it is', (key) => {
  expect(foreignStrokes({ key, held: [], isShortcut: false }, 'us')).toBeUndefined();
});
