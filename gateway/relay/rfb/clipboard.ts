/**
 * Cut texts of both directions: the plain one (RFC 6143, 7.5.6 and 7.6.4) and the extended one (rfbproto, "Extended
 * Clipboard Pseudo-Encoding"), whose length is negative. Pure.
 */
import { inflateSync } from 'node:zlib';

/** Type, three bytes of padding, and a length that is signed. The same in both directions. */
export const CUT_TEXT = { length: 4 /* i32 */, SIZE: 8, flags: 8 /* u32, extended only */ } as const;

/** The highest byte of the flags: what the message is. The lowest sixteen bits: formats. */
const ACTION = { caps: 1 << 24, request: 1 << 25, peek: 1 << 26, notify: 1 << 27, provide: 1 << 28 } as const;
const FORMAT_TEXT = 1;
const FORMATS = 0xffff;

/** Who said it: the side that has the clipboard whose direction is asked about, or the other. */
export interface ExtendedRules {
  /** The sender may give its text: notify and provide. */
  readonly mayGive: boolean;
  /** The sender may ask for the other's text: request and peek. */
  readonly mayAsk: boolean;
  readonly textBytes: number;
}

/** May a whole extended message (header and all) pass? Only text does; files and pictures have no limit that helps. */
export function passesExtended(message: Buffer, rules: ExtendedRules): boolean {
  if (message.byteLength < CUT_TEXT.flags + 4) return false;
  const flags = message.readUInt32BE(CUT_TEXT.flags);
  if ((flags & ACTION.caps) !== 0) return true; // Which formats and sizes it knows.
  if ((flags & (ACTION.request | ACTION.peek)) !== 0) return rules.mayAsk;
  if ((flags & ACTION.notify) !== 0) return rules.mayGive;
  if ((flags & ACTION.provide) === 0 || !rules.mayGive) return false;
  return (flags & FORMATS) === FORMAT_TEXT && inflatesWithin(message.subarray(CUT_TEXT.flags + 4), rules.textBytes + 4);
}

/** S17 and S20: a bomb stops at the limit. */
function inflatesWithin(deflated: Buffer, maxBytes: number): boolean {
  try {
    inflateSync(deflated, {
      maxOutputLength: maxBytes,
      finishFlush: 2 /* Z_SYNC_FLUSH: senders need not end the stream */,
    });
    return true;
  } catch {
    return false;
  }
}
