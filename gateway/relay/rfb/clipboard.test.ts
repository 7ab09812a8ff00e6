/** Who may copy what to where: every mode, direction, policy and message, as one table and through both filters. */
import { expect, test } from 'vitest';
import type { Clipboard } from '../../api/session-rules.ts';
import { type ClipboardVerdict, judgeExtended, judgeText } from './clipboard.ts';
import { Keyboard } from './held-keys.ts';
import type { RfbPolicy } from './policy.ts';
import { CAPS, extended, NOTIFY, PEEK, provided, REQUEST, TEXT, u32, viewer, vm } from './testing/messages.ts';
import { ViewerMessages } from './viewer-messages.ts';
import { VmMessages } from './vm-messages.ts';

/** Ways that are open: `>` a text may go to the VM, `<` it may come from there. Whoever only looks has neither. */
const WAYS: readonly (readonly ['drives' | 'looks', Clipboard, string])[] = [
  ['drives', 'both', '<>'],
  ['drives', 'in', '>'],
  ['drives', 'out', '<'],
  ['drives', 'off', ''],
  ['looks', 'both', ''],
  ['looks', 'in', ''],
  ['looks', 'out', ''],
  ['looks', 'off', ''],
];
/** Of each message, by the side that sends it: the way that it takes. Capabilities pass always. */
const MESSAGES = (type: number, gives: string, asks: string): readonly (readonly [string, Buffer, string])[] => [
  ['notify', extended(type, NOTIFY | TEXT), gives],
  ['provide', provided(type, 'secret'), gives],
  ['request', extended(type, REQUEST | TEXT), asks],
  ['peek', extended(type, PEEK), asks],
  ['request and peek at once', extended(type, REQUEST | PEEK | TEXT), asks],
  ['request and provide at once', provided(type, 'secret', REQUEST | TEXT), '<>'],
  ['capabilities', extended(type, CAPS | TEXT, u32(20)), ''],
];
const FROM_VIEWER = [...MESSAGES(6, '>', '<'), ['text', viewer.cutText('secret'), '>'] as const];
const FROM_VM = [...MESSAGES(3, '<', '>'), ['text', vm.cutText('secret'), '<'] as const];

const policyOf = (mode: string, clipboard: Clipboard): RfbPolicy => ({
  isDriving: () => mode === 'drives',
  clipboard,
  clipboardBytes: 1000,
  refusedKeys: [],
  canResize: true,
});
const nothing = (): void => {};
const pixelFormat = Buffer.from([32, 24, 0, 1, 0, 255, 0, 255, 0, 255, 16, 8, 0, 0, 0, 0]);

function toVm(policy: RfbPolicy, said: Buffer): Buffer {
  const forVm: Buffer[] = [];
  const events = { onInput: nothing, onPixelFormat: nothing, onClipboardRefused: nothing };
  const messages = new ViewerMessages(
    { policy, keyboard: new Keyboard(), isWalked: true, now: () => 0, pixelFormat, events },
    forVm,
  );
  const copy = Buffer.from(said);
  return Buffer.concat([...forVm, copy.subarray(0, messages.filter(copy))]);
}
function toViewer(policy: RfbPolicy, said: Buffer): Buffer {
  const forViewer: Buffer[] = [];
  const events = { onSize: nothing, onLargeMouse: nothing, onClipboardRefused: nothing };
  const messages = new VmMessages({ width: 640, height: 480, pixelFormat, name: '' }, policy, events, forViewer);
  const copy = Buffer.from(said);
  return Buffer.concat([...forViewer, copy.subarray(0, messages.filter(copy, 0, copy.byteLength))]);
}

// Seen to fail with `mayGo` that does not look at `isDriving`: the VM's clipboard reached everybody who looked on.
test.for(WAYS)('S41: who %s, with clipboard "%s", has the ways "%s"', ([mode, clipboard, ways]) => {
  const policy = policyOf(mode, clipboard);
  for (const [name, said, way] of FROM_VIEWER) {
    expect(
      toVm(policy, said).equals(way.split('').every((one) => ways.includes(one)) ? said : Buffer.alloc(0)),
      `${name} to the VM`,
    ).toBe(true);
  }
  for (const [name, said, way] of FROM_VM) {
    expect(
      toViewer(policy, said).equals(way.split('').every((one) => ways.includes(one)) ? said : Buffer.alloc(0)),
      `${name} from it`,
    ).toBe(true);
  }
});

const rules = { clipboard: 'both', clipboardBytes: 10, isDriving: true } as const;
test.for<[string, ClipboardVerdict, ClipboardVerdict]>([
  ['a text at the limit', judgeText('in', 10, rules), 'pass'],
  ['a text over it', judgeText('out', 11, rules), { direction: 'out', why: 'too-large' }],
  [
    'a driver who pastes against the policy',
    judgeText('in', 1, { ...rules, clipboard: 'out' }),
    { direction: 'in', why: 'policy' },
  ],
  ['a VM that copies against it', judgeText('out', 1, { ...rules, clipboard: 'in' }), 'silent'],
  ['one that only looks', judgeText('in', 99, { ...rules, isDriving: false }), 'silent'],
  [
    'an extended text over the limit',
    judgeExtended('in', provided(6, '01234567890'), rules),
    { direction: 'in', why: 'too-large' },
  ],
  ['what is not deflated', judgeExtended('in', extended(6, (1 << 28) | TEXT, Buffer.from('no')), rules), 'silent'],
  ['files', judgeExtended('out', provided(3, 'x', 16), rules), 'silent'],
  ['no flags', judgeExtended('in', Buffer.alloc(8), rules), 'silent'],
])('%s: %j', ([, verdict, expected]) => expect(verdict).toEqual(expected));
