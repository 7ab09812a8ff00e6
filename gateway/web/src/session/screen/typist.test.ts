import { expect, test } from 'vitest';
import { type Combination, KEYS } from './keys.ts';
import { pauseMs, type TypingProgress, Typist } from './typist.ts';

/** Runs what is scheduled when told to. */
function stage() {
  const tasks: { task: () => void; ms: number }[] = [];
  const pressed: string[] = [];
  const told: (TypingProgress | undefined)[] = [];
  const typist = new Typist({
    press: (chord) => pressed.push(chord.map(({ code }) => code).join('+')),
    onProgress: (progress) => told.push(progress),
    schedule: (task, ms) => {
      const entry = { task, ms };
      tasks.push(entry);
      return () => tasks.splice(tasks.indexOf(entry), 1);
    },
  });
  const run = (times = Number.POSITIVE_INFINITY): void => {
    for (let i = 0; i < times && 0 < tasks.length; i += 1) tasks.shift()?.task();
  };
  return { typist, pressed, told, run };
}

const a: Combination = [{ keysym: 0x61, code: 'KeyA' }];
const capital: Combination = [KEYS.shift, { keysym: 0x41, code: 'KeyA' }];

test('keys go one after the other, texts in the order they came', async () => {
  const { typist, pressed, told, run } = stage();
  const first = typist.type([a, capital]);
  const second = typist.type([[KEYS.enter]]);
  expect(pressed).toEqual(['KeyA']);
  run();
  expect(await Promise.all([first, second])).toEqual([2, 1]);
  expect(pressed).toEqual(['KeyA', 'ShiftLeft+KeyA', 'Enter']);
  expect(told.at(-1)).toBeUndefined();
});

test('stop leaves the rest, and what comes afterwards is typed', async () => {
  const { typist, pressed, run } = stage();
  const first = typist.type([a, a, a]);
  run(1);
  typist.stop();
  expect(await first).toBe(2);
  run();
  expect(pressed).toHaveLength(2);
  const second = typist.type([a]);
  run();
  expect(await second).toBe(1);
  expect(pressed).toHaveLength(3);
});

test('a guest has time for each change of a key, and more for a line', () => {
  expect(pauseMs(a)).toBe(24);
  expect(pauseMs(capital)).toBe(48);
  expect(pauseMs([KEYS.enter])).toBe(84);
});
