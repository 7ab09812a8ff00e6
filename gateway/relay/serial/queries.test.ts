/** Each question that a terminal would answer is gone from what is shown again, and nothing else is. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blankQueries } from './queries.ts';

function replayed(text: string): string {
  const bytes = Buffer.from(text, 'latin1');
  blankQueries(bytes);
  return bytes.toString('latin1');
}

// Seen to fail with `isQuery` that is always false.
test.for([
  '\x1b[6n',
  '\x1b[5n',
  '\x1b[?6n',
  '\x1b[?996n',
  '\x1b[c',
  '\x1b[0c',
  '\x1b[>c',
  '\x1b[=c',
  '\x1bZ',
  '\x05',
  '\x1b[x',
  '\x1b[?25$p',
  '\x1b[4$p',
  '\x1b[1$w',
  '\x1b[14t',
  '\x1b[18t',
  '\x1b[21t',
  '\x1b[>q',
  '\x1b[>0q',
  '\x1b[?u',
  '\x1b[1;2;3;4;5;6*y',
  '\x1b[?2;1;0S',
  '\x1b]10;?\x07',
  '\x1b]11;?\x1b\\',
  '\x1b]4;1;?\x07',
  '\x1b]52;c;?\x07',
  '\x1bP$qm\x1b\\',
  '\x1bP+q544e\x1b\\',
  '\x1b_Gi=1,a=q;AAAA\x1b\\',
  '\xc2\x9b6n',
  '\x1b[6\nn',
])('%j is not asked again', (query) => {
  expect(replayed(`a${query}b`)).toBe(`a${'\0'.repeat(query.length)}b`);
});

test.for([
  'plain text 6n [c ?',
  '\x1b[31mred\x1b[0m',
  '\x1b[2J\x1b[H',
  '\x1b[?25l\x1b[?1049h',
  '\x1b[22;0t',
  '\x1b[8;24;80t',
  '\x1b[2 q',
  '\x1b[!p',
  '\x1b[u',
  '\x1b]0;what? now;\x07',
  '\x1b]8;;https://a.example/?q\x1b\\x',
  '\x1bPq#0;2;0;0;0~\x1b\\',
  'grüße \xe2\x82\xac',
])('%j is shown as it was', (text) => expect(replayed(text)).toBe(text));

test('a question that is not complete stays: its rest is still to come, and then it is asked once', () => {
  for (const text of ['\x1b', '\x1b[', '\x1b[6', '\x1b]10;?', '\x1bP$q', '\x1b]10;?\x1b'])
    expect(replayed(text)).toBe(text);
});

test('whatever the bytes are, their number stays and text is not touched', () => {
  const parts = fc.array(fc.constantFrom('\x1b', '[', ']', 'P', '6', 'n', 'c', '?', ';', '\x07', '\\', 'x', '\xc2'));
  fc.assert(
    fc.property(parts, (some) => {
      const text = some.join('');
      expect(replayed(text)).toHaveLength(text.length);
    }),
  );
});
