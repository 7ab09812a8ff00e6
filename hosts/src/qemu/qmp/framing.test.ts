import fc from 'fast-check';
import { expect, test } from 'vitest';
import { encodeLine, type JsonObject, LineFraming } from './framing.ts';

test('messages come out whole at any chunking', () => {
  const messages = fc.array(
    fc.dictionary(fc.string(), fc.oneof(fc.string(), fc.integer(), fc.boolean(), fc.constant(null))),
  );
  fc.assert(
    fc.property(messages, fc.array(fc.nat({ max: 40 })), (sent, cuts) => {
      const bytes = Buffer.from(sent.map((one) => encodeLine(one as JsonObject)).join(''));
      const framing = new LineFraming({ maxBytes: 1_048_576 });
      const got: JsonObject[] = [];
      let at = 0;
      for (const cut of [...cuts, bytes.length]) {
        got.push(...framing.push(bytes.subarray(at, at + cut)));
        at += cut;
      }
      got.push(...framing.push(bytes.subarray(at)));
      expect(got).toEqual(JSON.parse(JSON.stringify(sent)));
    }),
  );
});

test.for([
  { it: 'is no JSON', line: '{"return": {}' },
  { it: 'is a list', line: '[1]' },
  { it: 'is a string', line: '"QMP"' },
  { it: 'is binary', line: '\u0000\u0001\u0002' },
])('a line that $it is HOST_PROTOCOL', ({ line }) => {
  const framing = new LineFraming({ maxBytes: 1024 });
  expect(() => framing.push(Buffer.from(`${line}\n`))).toThrow(expect.objectContaining({ code: 'HOST_PROTOCOL' }));
});

test('blank lines are nothing', () => {
  expect(new LineFraming({ maxBytes: 16 }).push(Buffer.from('\r\n\n  \n'))).toEqual([]);
});

test('BOUNDED: a line without an end is refused at its limit, in one chunk or in many', () => {
  const one = new LineFraming({ maxBytes: 100 });
  expect(() => one.push(Buffer.alloc(101, 0x20))).toThrow(expect.objectContaining({ code: 'HOST_PROTOCOL' }));
  const many = new LineFraming({ maxBytes: 100 });
  for (let sent = 0; sent < 100; sent++) many.push(Buffer.from(' '));
  expect(() => many.push(Buffer.from(' '))).toThrow(expect.objectContaining({ code: 'HOST_PROTOCOL' }));
});
