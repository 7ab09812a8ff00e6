import { expect, test } from 'vitest';
import { CONSOLE_PROTOCOL, positionOf } from '../../../../api/console.ts';
import { ConsoleStream } from './console-stream.ts';

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text);
const hello = (at: number, isContinued: boolean, epoch = 'abcdefgh') =>
  bytes(JSON.stringify({ epoch, at, isContinued, replayBytes: 0 }));

test('a drop offers the byte where it broke', () => {
  const stream = new ConsoleStream();
  expect(stream.offers()).toEqual([CONSOLE_PROTOCOL]);
  expect(stream.take(hello(100, false))).toBe('go-on');
  expect(stream.take(bytes('hello'))).toEqual(bytes('hello'));
  expect(positionOf(stream.offers())).toEqual({ epoch: 'abcdefgh', at: 105 });
  expect(stream.take(hello(105, true))).toBe('go-on');
  stream.take(bytes('!'));
  expect(positionOf(stream.offers())).toEqual({ epoch: 'abcdefgh', at: 106 });
});

test('what cannot be continued starts afresh: nothing is shown twice', () => {
  const stream = new ConsoleStream();
  stream.offers();
  stream.take(hello(0, false));
  stream.take(bytes('old'));
  stream.offers();
  expect(stream.take(hello(0, false, 'ijklmnop'))).toBe('start-afresh');
  stream.take(bytes('new'));
  expect(positionOf(stream.offers())).toEqual({ epoch: 'ijklmnop', at: 3 });
});
