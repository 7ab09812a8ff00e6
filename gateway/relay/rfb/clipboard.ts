/**
 * What may pass of the clipboards, in both directions: the plain cut text (RFC 6143, 7.5.6 and 7.6.4) and the extended one
 * (rfbproto, "Extended Clipboard Pseudo-Encoding"), whose length is negative. The one place where that is decided. Pure.
 *
 * Who does not steer has no part in it: what the person who does copies there is not for those who look on, and they may
 * not ask for it either.
 */
import { inflateSync } from 'node:zlib';
import type { ClipboardRefusal } from '../../api/session.ts';
import type { Clipboard } from '../../api/session-rules.ts';

/** Type, three bytes of padding, and a length that is signed. The same in both directions. */
export const CUT_TEXT = { length: 4 /* i32 */, SIZE: 8, flags: 8 /* u32, extended only */ } as const;

/** The highest byte of the flags: what the message is. The lowest sixteen bits: formats. */
const ACTION = { caps: 1 << 24, request: 1 << 25, peek: 1 << 26, notify: 1 << 27, provide: 1 << 28 } as const;
const FORMAT_TEXT = 1;
const FORMATS = 0xffff;

/** Passed over unread, however much over the limit; beyond this it is nothing that a person copied. */
export const SKIPPED_BYTES = 268_435_456;

/** `in` is towards the VM. */
type Direction = ClipboardRefusal['direction'];

/** What is decided on, as it is at that moment. */
export interface ClipboardRules {
  readonly clipboard: Clipboard;
  /** Of one text, uncompressed. */
  readonly clipboardBytes: number;
  readonly isDriving: boolean;
}

/** `silent`: it does not pass, and nobody wants to hear of it. */
export type ClipboardVerdict = 'pass' | 'silent' | ClipboardRefusal;

/** May a text go that way? */
export function mayGo(direction: Direction, { clipboard, isDriving }: ClipboardRules): boolean {
  return isDriving && (clipboard === 'both' || clipboard === direction);
}

/** Of a plain text with so many bytes. */
export function judgeText(direction: Direction, bytes: number, rules: ClipboardRules): ClipboardVerdict {
  if (!mayGo(direction, rules)) return forbidden(direction, rules);
  return bytes <= rules.clipboardBytes ? 'pass' : { direction, why: 'too-large' };
}

/** So much of an extended message is held to look into it; undefined where it is too much to be within the limit. */
export function heldBytes(
  length: number,
  { clipboardBytes }: Pick<ClipboardRules, 'clipboardBytes'>,
): number | undefined {
  // What does not compress grows a little.
  return length <= clipboardBytes + 1024 + (clipboardBytes >> 10) ? length : undefined;
}

/** Of a whole extended message, header and all, from the side where `direction` begins. Only text passes. */
export function judgeExtended(direction: Direction, message: Buffer, rules: ClipboardRules): ClipboardVerdict {
  if (message.byteLength < CUT_TEXT.flags + 4) return 'silent';
  const flags = message.readUInt32BE(CUT_TEXT.flags);
  if ((flags & ACTION.caps) !== 0) return 'pass'; // Which formats and sizes it knows.
  // A message may do several things at once: it passes where each of them may be.
  const asks = (flags & (ACTION.request | ACTION.peek)) !== 0;
  const gives = (flags & (ACTION.notify | ACTION.provide)) !== 0;
  if (asks && !mayGo(direction === 'in' ? 'out' : 'in', rules)) return 'silent';
  if (gives && !mayGo(direction, rules)) return forbidden(direction, rules);
  if ((flags & ACTION.provide) === 0) return asks || gives ? 'pass' : 'silent';
  if ((flags & FORMATS) !== FORMAT_TEXT) return 'silent'; // Files and pictures have no limit that helps.
  return judgeDeflated(direction, message.subarray(CUT_TEXT.flags + 4), rules.clipboardBytes);
}

/** A driver who pastes against the policy wants to know; that a VM has copied something is no news to anybody else. */
function forbidden(direction: Direction, { isDriving }: ClipboardRules): ClipboardVerdict {
  return direction === 'in' && isDriving ? { direction, why: 'policy' } : 'silent';
}

/** S17 and S20: a bomb stops at the limit. */
function judgeDeflated(direction: Direction, deflated: Buffer, maxBytes: number): ClipboardVerdict {
  try {
    inflateSync(deflated, {
      maxOutputLength: maxBytes + 4, // A length goes before the text.
      finishFlush: 2 /* Z_SYNC_FLUSH: senders need not end the stream */,
    });
    return 'pass';
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE'
      ? { direction, why: 'too-large' }
      : 'silent';
  }
}
