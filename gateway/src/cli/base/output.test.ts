import { expect, test } from 'vitest';
import { ago, bytes, parseBytes, sheet, table } from './output.ts';

const columns = [
  { title: 'name', value: (row: { name: string; size: number }) => row.name },
  { title: 'size', value: (row: { name: string; size: number }) => row.size, isRight: true },
];

test('columns line up, also with characters beyond ASCII', () => {
  const text = table(
    [
      { name: 'büro', size: 5 },
      { name: 'a', size: 1234 },
    ],
    columns,
  );
  expect(text).toBe('NAME  SIZE\nbüro     5\na     1234\n');
});
test('a line ends where the terminal ends', () => {
  expect(table([{ name: 'a-long-name', size: 1 }], columns, 8)).toBe('NAME   …\na-long-…\n');
});
test('a name cannot move the cursor', () => {
  expect(table([{ name: '\u001b[2Jx\u009b', size: 1 }], columns)).toContain('\uFFFD[2Jx\uFFFD');
});
test('a sheet shows what is missing as a dash', () => {
  expect(
    sheet([
      ['name', 'a'],
      ['reason', null],
    ]),
  ).toBe('name:   a\nreason: -\n');
});
test.for([
  { text: '512', count: 512 },
  { text: '8G', count: 8 * 2 ** 30 },
  { text: '1.5 KiB', count: 1536 },
  { text: '2mb', count: 2 * 2 ** 20 },
  { text: 'x', count: undefined },
  { text: '-1', count: undefined },
  { text: '99999999999T', count: undefined },
])('$text is $count bytes', ({ text, count }) => expect(parseBytes(text)).toBe(count));
test.for([
  { count: 0, text: '0 B' },
  { count: 1536, text: '1.5 KiB' },
  { count: 300 * 2 ** 20, text: '300 MiB' },
])('$count is written as $text', ({ count, text }) => expect(bytes(count)).toBe(text));
test.for([
  { seconds: 59, text: '59 s' },
  { seconds: 3599, text: '59 min' },
  { seconds: 90_000, text: '1 d' },
  { seconds: -5, text: '0 s' },
])('$seconds seconds ago is $text', ({ seconds, text }) => {
  expect(ago('2026-01-01T00:00:00Z', Date.parse('2026-01-01T00:00:00Z') + seconds * 1000)).toBe(text);
});
