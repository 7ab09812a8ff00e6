/**
 * What a guest asks of a terminal. In output that is shown again each question is blanked out with NULs, which terminals
 * pass over: answered once more it would be typed into the guest. Lengths stay, so that positions do. ECMA-48 and "XTerm
 * Control Sequences". Pure.
 */

const ENQ = 0x05;
const BEL = 0x07;
const CAN = 0x18;
const SUB = 0x1a;
const ESC = 0x1b;
/** C1 controls that begin a sequence, by their seven-bit second byte. In UTF-8 they come as 0xc2 and 0x80 + this - 0x40. */
const INTRODUCER = { dcs: 0x50, decid: 0x5a, csi: 0x5b, osc: 0x5d, st: 0x5c, apc: 0x5f } as const;
/** CSI 11 t and above that report something; the others move windows, or keep and restore titles. */
const REPORTS_OF_WINDOW = new Set(['11', '13', '14', '15', '16', '18', '19', '20', '21']);

/** A parameter that is a question mark, with nothing or with one of the three ends of such a sequence behind it. */
const OSC_QUESTIONS = new Set(['?', '?\x07', '?\x1b\\', '?\xc2\x9c']);

/** Blanks the questions of `bytes` in place. One that is not complete at the end stays: its rest is still to come. */
export function blankQueries(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] === ENQ) bytes[at] = 0;
    const begun = introducerAt(bytes, at);
    if (begun === undefined) {
      at += 1;
      continue;
    }
    const end = begun.kind === INTRODUCER.decid ? begun.bodyAt : sequenceEnd(bytes, begun.kind, begun.bodyAt);
    if (end === undefined) return;
    if (isQuery(begun.kind, Buffer.from(bytes.subarray(begun.bodyAt, end)).toString('latin1'))) bytes.fill(0, at, end);
    at = end;
  }
}

function introducerAt(bytes: Uint8Array, at: number): { readonly kind: number; readonly bodyAt: number } | undefined {
  const [first, second = 0] = [bytes[at], bytes[at + 1]];
  let kind: number | undefined;
  if (first === ESC) kind = second;
  else if (first === 0xc2 && 0x80 <= second && second <= 0x9f) kind = second - 0x40;
  if (kind === undefined || kind === INTRODUCER.st) return undefined;
  return (Object.values(INTRODUCER) as number[]).includes(kind) ? { kind, bodyAt: at + 2 } : undefined;
}

/** Behind the sequence whose body begins at `from`; undefined where it has no end yet. */
function sequenceEnd(bytes: Uint8Array, kind: number, from: number): number | undefined {
  for (let at = from; at < bytes.length; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte === CAN || byte === SUB) return at + 1; // Broken off.
    if (kind === INTRODUCER.csi) {
      if (0x40 <= byte && byte <= 0x7e) return at + 1;
      if (byte === ESC) return at; // Another sequence begins in its place.
      continue;
    }
    if (byte === BEL && kind === INTRODUCER.osc) return at + 1;
    if (byte === 0xc2 && bytes[at + 1] === 0x9c) return at + 2;
    if (byte === ESC) return at + 1 === bytes.length ? undefined : at + (bytes[at + 1] === INTRODUCER.st ? 2 : 0);
  }
  return undefined;
}

function isQuery(kind: number, body: string): boolean {
  switch (kind) {
    case INTRODUCER.decid:
      return true;
    case INTRODUCER.csi:
      return isControlQuery(body);
    case INTRODUCER.osc: // Colours, the clipboard: `4;1;?`, `10;?`, `52;c;?`.
      return body.split(';').some((part) => OSC_QUESTIONS.has(part));
    case INTRODUCER.dcs: // DECRQSS and XTGETTCAP.
      return /^[0-9;]*[$+]q/.test(body);
    default: // APC: pictures of kitty, which are acknowledged.
      return body.startsWith('G');
  }
}

/** `body` is parameters, intermediates and the final byte. */
function isControlQuery(body: string): boolean {
  // Control characters may stand within a sequence, and terminals act as if they stood before it.
  // eslint-disable-next-line no-control-regex
  const match = /^([0-?]*)([ -/]*)([@-~])$/.exec(body.replace(/[\0-\x1f]/g, ''));
  const [, parameters = '', between = '', final = ''] = match ?? [];
  switch (final) {
    case 'c': // Device attributes, of all three levels.
    case 'n': // Status and the position of the cursor.
      return between === '';
    case 'x': // Terminal parameters.
      return between === '';
    case 'p': // Modes (DECRQM).
    case 'u': // Terminal state; of kitty, its keyboard.
      return between === '$' || (between === '' && final === 'u' && parameters.startsWith('?')) || between === '&';
    case 'w': // Tabs and the cursor's rendition; the locator's.
      return between === '$' || between === "'";
    case '|': // The locator's position.
      return between === "'";
    case 'q': // The terminal's name and version.
      return parameters.startsWith('>');
    case 'y': // A checksum of a part of the screen.
      return between === '*';
    case 'v':
      return between === '"';
    case 'S': // Graphics.
      return parameters.startsWith('?');
    case 't':
      return between === '' && REPORTS_OF_WINDOW.has(parameters.split(';')[0] ?? '');
    default:
      return false;
  }
}
