/** What a viewer may say, at every chunking; S17: the gateway shields the VM from hostile viewers. */
import { deflateSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConversationError } from '../stream/conversation.ts';
import { Keyboard } from './held-keys.ts';
import { parseCombination } from './keys.ts';
import type { RfbPolicy } from './policy.ts';
import {
  CAPS,
  cutAt,
  everyByte,
  extended,
  NOTIFY,
  PEEK,
  provided,
  REQUEST,
  TEXT,
  u16,
  u32,
  viewer,
} from './testing/messages.ts';
import { ViewerMessages } from './viewer-messages.ts';

const DEPTH = Number(process.env['ORIEL_TEST_DEPTH'] ?? '1');
const OPEN: RfbPolicy = {
  isDriving: () => true,
  clipboard: 'both',
  clipboardBytes: 1000,
  refusedKeys: [],
  canResize: true,
};
const VIEW: RfbPolicy = { ...OPEN, isDriving: () => false };
const CUT = 6;
const PIXELS_32 = Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);

interface Setup {
  readonly policy?: RfbPolicy;
  readonly keyboard?: Keyboard;
  readonly isWalked?: boolean;
  readonly hasLargeMouse?: boolean;
}

function start({ policy = OPEN, keyboard = new Keyboard(), isWalked = true, hasLargeMouse = false }: Setup = {}) {
  const forVm: Buffer[] = [];
  const seen = { inputs: 0, refused: [] as string[] };
  const messages = new ViewerMessages(
    {
      policy,
      keyboard,
      isWalked,
      now: () => 0,
      pixelFormat: PIXELS_32,
      events: {
        onInput: () => void (seen.inputs += 1),
        onPixelFormat: () => {},
        onClipboardRefused: ({ direction, why }) => void seen.refused.push(`${direction} ${why}`),
      },
    },
    forVm,
  );
  if (hasLargeMouse) messages.expectLargeMouse();
  return {
    messages,
    seen,
    say: (chunk: Buffer): Buffer => {
      const copy = Buffer.from(chunk);
      const length = messages.filter(copy);
      return Buffer.concat([...forVm.splice(0), copy.subarray(0, length)]);
    },
    forVm,
  };
}
/** Says it all in these pieces; gives what reaches the VM. */
function pass(said: readonly Buffer[], setup: Setup = {}, cuts: readonly number[] = []): string {
  const { say } = start(setup);
  return Buffer.concat(cutAt(Buffer.concat(said), cuts).map(say)).toString('hex');
}
const hex = (...parts: Buffer[]): string => Buffer.concat(parts).toString('hex');

const COMMON: [string, Buffer][] = [
  ['SetPixelFormat', viewer.pixelFormat()],
  ['SetEncodings', viewer.encodings(0, 1, 16)],
  ['FramebufferUpdateRequest', viewer.update()],
  ['EnableContinuousUpdates', viewer.continuous()],
  ['Fence', viewer.fence()],
  ['empty Fence', viewer.fence(0)],
  ['audio', viewer.audio(1)],
  ['audio format', viewer.audio(2)],
];
const INPUT: [string, Buffer][] = [
  ['KeyEvent', viewer.key(0x61)],
  ['PointerEvent', viewer.pointer(1)],
  ['CutText', viewer.cutText('hello')],
  ['empty CutText', viewer.cutText('')],
  ['SetDesktopSize', viewer.size(800, 600)],
  ['QEMU key', viewer.qemuKey(0x61, 0x1e)],
  ['given clipboard', provided(CUT, 'grüße')],
];

describe.for(COMMON)('%s', ([, message]) => {
  test.for([OPEN, VIEW])('passes', (policy) =>
    expect(pass([message, viewer.update()], { policy }, everyByte(message))).toBe(hex(message, viewer.update())),
  );
});
describe.for(INPUT)('%s', ([, message]) => {
  test('passes from who drives', () =>
    expect(pass([message, viewer.update()], {}, everyByte(message))).toBe(hex(message, viewer.update())));
  test('is dropped in view only, here, whatever the page does', () => {
    expect(pass([message, viewer.update()], { policy: VIEW }, everyByte(message))).toBe(hex(viewer.update()));
  });
});

test('power (xvp) never passes: it is a right of its own', () =>
  expect(pass([viewer.xvp(), viewer.update()])).toBe(hex(viewer.update())));

test.for([
  { clipboard: 'off', text: false, provide: false, notify: false, request: false },
  { clipboard: 'in', text: true, provide: true, notify: true, request: false },
  { clipboard: 'out', text: false, provide: false, notify: false, request: true },
  { clipboard: 'both', text: true, provide: true, notify: true, request: true },
] as const)('clipboard $clipboard', ({ clipboard, text, provide, notify, request }) => {
  const policy = { ...OPEN, clipboard };
  const passes = (message: Buffer): boolean => pass([message, viewer.update()], { policy }).startsWith(hex(message));
  expect(passes(viewer.cutText('x'))).toBe(text);
  expect(passes(provided(CUT, 'x'))).toBe(provide);
  expect(passes(extended(CUT, NOTIFY | TEXT))).toBe(notify);
  expect(passes(extended(CUT, REQUEST | TEXT))).toBe(request);
  expect(passes(extended(CUT, PEEK))).toBe(request);
  expect(passes(extended(CUT, CAPS | TEXT, u32(100)))).toBe(true);
});

// Seen to fail without the limit on the count of encodings (the other limits have a row each).
describe('S17: a hostile viewer', () => {
  test('the clipboard has a limit, to the byte', () => {
    expect(pass([viewer.cutText('x'.repeat(1000))])).toHaveLength(2 * 1008);
    expect(pass([viewer.cutText('x'.repeat(1001)), viewer.update()])).toBe(hex(viewer.update()));
    expect(pass([provided(CUT, 'x'.repeat(1000))])).not.toBe('');
    expect(pass([provided(CUT, 'x'.repeat(1001)), viewer.update()])).toBe(hex(viewer.update()));
  });
  // Seen to fail without `maxOutputLength`.
  test('S20: a zlib bomb is stopped at the limit', () => {
    const bomb = extended(CUT, (1 << 28) | TEXT, deflateSync(Buffer.alloc(900_000)));
    expect(pass([bomb, viewer.update()])).toBe(hex(viewer.update()));
  });
  test.for([
    { it: 'not zlib', message: extended(CUT, (1 << 28) | TEXT, Buffer.from('not zlib at all')) },
    { it: 'files', message: provided(CUT, 'x', 16) },
    { it: 'no action', message: extended(CUT, TEXT) },
  ])('a given clipboard that is $it is dropped', ({ message }) =>
    expect(pass([message, viewer.update()])).toBe(hex(viewer.update())),
  );
  test.for([
    { it: 'an unknown message', said: Buffer.of(7) },
    { it: 'an unknown QEMU message', said: Buffer.of(255, 2) },
    { it: 'an unknown audio operation', said: Buffer.concat([Buffer.of(255, 1), u16(3)]) },
    { it: '257 encodings', said: Buffer.concat([Buffer.of(2, 0), u16(257)]) },
    { it: 'a fence of 65 bytes', said: Buffer.concat([Buffer.of(248, 0, 0, 0), u32(0), Buffer.of(65)]) },
    { it: '17 screens', said: Buffer.concat([Buffer.of(251, 0), u16(1, 1), Buffer.of(17, 0)]) },
    { it: 'an extended clipboard of 2 GiB', said: Buffer.concat([Buffer.of(CUT, 0, 0, 0), u32(0x8000_0000)]) },
    { it: 'an extended clipboard without flags', said: Buffer.concat([Buffer.of(CUT, 0, 0, 0), u32(-3)]) },
    {
      it: 'pixels of 13 bits',
      said: viewer.pixelFormat(Buffer.of(13, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0)),
    },
  ])('$it ends the session', ({ said }) => {
    for (const cuts of [[], everyByte(said)]) expect(() => pass([said], {}, cuts)).toThrow(ConversationError);
  });
  test('a screen without end is not asked for', () => {
    expect(pass([viewer.size(65_535, 65_535), viewer.update()])).toBe(hex(viewer.update()));
    expect(pass([viewer.size(800, 600), viewer.update()], { policy: { ...OPEN, canResize: false } })).toBe(
      hex(viewer.update()),
    );
  });
  // Seen to fail with a fault instead of a skip: the session ended, and again after each reload.
  test.for([1, 4_000, 100_000])('a clipboard that is too large by %i bytes is passed over, and said', (more) => {
    const random = Buffer.from(Array.from({ length: 1000 + more }, (_, i) => (i * 7919 * (i + 13)) & 0xff));
    for (const message of [
      viewer.cutText('x'.repeat(1000 + more)),
      provided(CUT, 'x'.repeat(1000 + more)),
      extended(CUT, (1 << 28) | TEXT, deflateSync(Buffer.concat([u32(random.length), random]))),
    ]) {
      const said = Buffer.concat([message, viewer.update()]);
      for (const cuts of [[], [3], [9, 700], everyByte(said.subarray(0, 40))]) {
        const { say, seen } = start();
        const passed = Buffer.concat(cutAt(said, cuts).map(say));
        expect(passed.toString('hex')).toBe(hex(viewer.update()));
        expect(seen.refused).toEqual(['in too-large']);
      }
    }
  });
  test('a clipboard that policy refuses is said to who pastes it, and to nobody else', () => {
    const driver = start({ policy: { ...OPEN, clipboard: 'out' } });
    driver.say(viewer.cutText('x'));
    expect(driver.seen.refused).toEqual(['in policy']);
    const looker = start({ policy: VIEW });
    looker.say(Buffer.concat([viewer.cutText('x'), viewer.cutText('y'.repeat(2000)), provided(CUT, 'y'.repeat(9000))]));
    expect(looker.seen.refused).toEqual([]);
  });

  test('clipboards are looked into so often a second, and no more', () => {
    const message = provided(CUT, 'x');
    expect(pass(Array.from({ length: 100 }, () => message)).length / hex(message).length).toBe(16);
  });
});

test('a pixel size that changes while rectangles are under way cannot be followed', () => {
  const other = viewer.pixelFormat(Buffer.of(16, 16, 0, 1, 0, 31, 0, 63, 0, 31, 11, 5, 0, 0, 0, 0));
  expect(pass([viewer.pixelFormat(), other, viewer.update()])).toBe(hex(viewer.pixelFormat(), other, viewer.update()));
  expect(pass([viewer.pixelFormat(), viewer.update(), viewer.pixelFormat()])).not.toBe('');
  expect(() => pass([viewer.pixelFormat(), viewer.update(), other])).toThrow(/pixel format/);
  expect(pass([viewer.update(), other], { isWalked: false })).toBe(hex(viewer.update(), other));
});

test('only encodings that can be walked are asked for', () => {
  const asked = viewer.encodings(7, 5, 2, 16, 21, 0, -307, -309, -314, -32, -224, -256, 0x7fff);
  expect(pass([asked], {}, everyByte(asked))).toBe(hex(viewer.encodings(7, 16, 0, -32, -224, -256)));
  expect(pass([asked], { isWalked: false })).toBe(
    hex(viewer.encodings(7, 5, 2, 16, 21, 0, -307, -314, -32, -224, -256, 0x7fff)),
  );
});

test('a pointer event is longer once the VM has agreed, and not before', () => {
  expect(pass([viewer.largePointer(), viewer.update()], { hasLargeMouse: true }, [2, 5])).toBe(
    hex(viewer.largePointer(), viewer.update()),
  );
  expect(pass([viewer.pointer(0x80), viewer.update()])).toBe(hex(viewer.pointer(0x80), viewer.update()));
});

describe('refused keys', () => {
  const refusing = (...names: string[]): RfbPolicy => ({
    ...OPEN,
    refusedKeys: names.map((name) => parseCombination(name) ?? []),
  });
  const CTRL = 0xffe3;
  const ALT = 0xffe9;
  const F2 = 0xffbf;
  const down = [viewer.key(CTRL), viewer.key(ALT)];
  test('the last key of a combination is dropped, down and up', () => {
    const said = [
      ...down,
      viewer.key(F2),
      viewer.key(F2, false),
      viewer.key(CTRL, false),
      viewer.key(ALT, false),
      viewer.key(F2),
      viewer.key(F2, false),
    ];
    const passed = [...down, viewer.key(CTRL, false), viewer.key(ALT, false), viewer.key(F2), viewer.key(F2, false)];
    expect(pass(said, { policy: refusing('Control+Alt+F2') })).toBe(hex(...passed));
  });
  test('in any order', () => {
    expect(pass([viewer.key(F2), viewer.key(ALT), viewer.key(CTRL)], { policy: refusing('Control+Alt+F2') })).toBe(
      hex(viewer.key(F2), viewer.key(ALT)),
    );
  });
  test('by scan code, whatever the keysym says', () => {
    const said = [viewer.qemuKey(0, 0x1d), viewer.qemuKey(0, 0x38), viewer.qemuKey(0x61, 0x3c)];
    expect(pass(said, { policy: refusing('Control+Alt+F2') })).toBe(hex(...said.slice(0, 2)));
  });
  test('the Delete of the keypad is a Delete', () => {
    expect(pass([...down, viewer.key(0xff9f)], { policy: refusing('Control+Alt+Delete') })).toBe(hex(...down));
  });

  test('two viewers cannot press it between them, and can once the first has let go or gone', () => {
    const keyboard = new Keyboard();
    const setup = { policy: refusing('Control+Alt+Delete'), keyboard };
    const [one, two] = [start(setup), start(setup)];
    const remove = viewer.key(0xffff);
    one.say(Buffer.concat([viewer.key(CTRL), viewer.key(ALT)]));
    expect(two.say(remove)).toEqual(Buffer.alloc(0));
    one.say(viewer.key(ALT, false));
    expect(two.say(remove)).toEqual(remove);
    two.say(viewer.key(0xffff, false));
    one.say(viewer.key(ALT));
    expect(two.say(remove)).toEqual(Buffer.alloc(0));
    one.messages.end();
    expect(two.say(remove)).toEqual(remove);
  });
  test('a name that nobody knows is no combination', () => expect(parseCombination('Control+Hyper_Q')).toBeUndefined());
});

test('whoever loses control lets go of the keys, between two messages', () => {
  const { messages, say, forVm } = start();
  say(Buffer.concat([viewer.key(0x61), viewer.qemuKey(0x62, 0x30)]));
  const text = viewer.cutText('0123456789');
  say(text.subarray(0, 12));
  expect(messages.releaseKeys()).toBe(false); // In the middle of a text.
  say(text.subarray(12));
  expect(messages.releaseKeys()).toBe(true);
  expect(hex(...forVm.splice(0))).toBe(hex(viewer.key(0x61, false), viewer.qemuKey(0x62, 0x30, false)));
});

test('what is typed counts as input, also when it is dropped', () => {
  const { say, seen } = start({ policy: VIEW });
  say(Buffer.concat([viewer.key(0x61), viewer.pointer(), viewer.update(), viewer.qemuKey(1, 1), viewer.cutText('x')]));
  expect(seen.inputs).toBe(4);
});

const anyMessage = fc.oneof(
  fc.constantFrom(
    ...COMMON.map(([, message]) => message),
    ...INPUT.map(([, message]) => message),
    viewer.xvp(),
    viewer.cutText('y'.repeat(1500)),
  ),
  fc
    .array(fc.constantFrom(0, 1, 5, 7, 16, -239, -260, -307), { maxLength: 40 })
    .map((encodings) => viewer.encodings(...encodings)),
);
test('any messages at any chunking pass alike', () => {
  fc.assert(
    fc.property(
      fc.array(anyMessage, { maxLength: 25 }),
      fc.array(fc.nat(4000), { maxLength: 30 }),
      fc.boolean(),
      (said, cuts, isDriving) => {
        const policy = { ...OPEN, isDriving: () => isDriving };
        expect(pass(said, { policy }, cuts)).toBe(pass(said, { policy }));
      },
    ),
    { numRuns: 300 * DEPTH },
  );
});
test('S17: whatever comes, it passes, is dropped, or ends the session', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.array(fc.nat(300), { maxLength: 8 }), (junk, cuts) => {
      try {
        pass([Buffer.from(junk)], {}, cuts);
      } catch (error) {
        expect(error).toBeInstanceOf(ConversationError);
      }
    }),
    { numRuns: 1000 * DEPTH },
  );
});
