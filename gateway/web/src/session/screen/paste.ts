/**
 * What a paste into the serial terminal may carry. A page that put text on the clipboard must not be able to end the
 * bracketed paste (ESC [ 201 ~) and have the rest run as typed commands, nor send other control sequences.
 */

export const PASTE = { maxChars: 1 << 20 } as const;

/** Every C0 control but tab, line feed and carriage return; DEL; every C1 control (U+009B is CSI in one character). */
// oxlint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]/g;

/** The text without control characters, line ends as a terminal's Enter sends them, cut at the limit. */
export function sanitizePaste(text: string): string {
  return text
    .slice(0, PASTE.maxChars)
    .replace(/\r\n?|\n/g, '\r')
    .replace(CONTROLS, '');
}

/** More than one line, or a line that would run at once: worth asking before it goes to a shell. */
export function needsConsent(text: string): boolean {
  return /\r./s.test(text) || text.endsWith('\r');
}

/** OSC numbers the terminal swallows: 52 writes or reads the clipboard, 8 makes links, the rest set colours or titles. */
export const REFUSED_OSC: readonly number[] = [0, 1, 2, 4, 7, 8, 9, 50, 52, 99, 133, 633, 777, 1337];
