/**
 * Text that people and directories bring along: how names are compared and searched, and what of a text may reach a
 * terminal, a log or a page. Pure; the same for the gateway, the command line and the pages.
 */

/** One spelling of a name: full-width, composed and capital letters are the same person. What is kept and compared. */
export function foldName(text: string): string {
  // Twice: lower case may take a letter apart again (İ).
  return text.trim().normalize('NFKC').toLowerCase().normalize('NFKC');
}

/** What a search looks at: letters without their accents too, so that `jose` and `José` find each other. */
export function searchKey(text: string): string {
  return text.normalize('NFKD').replaceAll(/\p{M}/gu, '').toLowerCase().normalize('NFKC');
}

/**
 * Signs that change how the text around them is shown, or that a terminal obeys: control characters (C0, C1), marks that
 * turn the direction of writing (U+202E), invisible ones, line separators, halves of characters. The joiners U+200C and
 * U+200D are letters of several scripts and of emoji.
 */
const DECEPTIVE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]|(?![\u200C\u200D])\p{Cf}/u;
const EVERY_DECEPTIVE = new RegExp(DECEPTIVE, 'gu');

export function isDeceptive(text: string): boolean {
  return DECEPTIVE.test(text);
}

/** The text with such signs taken out: for what comes from elsewhere and is kept, as a directory's names. */
export function withoutDeceptive(text: string): string {
  return text.replaceAll(EVERY_DECEPTIVE, '');
}

/** The text with such signs shown as U+FFFD: for terminals and pages. */
export function shown(text: string): string {
  return text.replaceAll(EVERY_DECEPTIVE, '\uFFFD');
}

/**
 * Reads JSON for a page: what is in its strings is shown as it is, names that were stored before such signs were refused
 * among it. Line breaks and tabs stay.
 */
export function readShown(json: string): unknown {
  // What JSON escapes (`\r`, `\u001b`) only its values tell.
  if (!DECEPTIVE.test(json) && !json.includes('\\')) return JSON.parse(json);
  return JSON.parse(json, (_, value: unknown) =>
    typeof value === 'string' && DECEPTIVE.test(value)
      ? value.replaceAll(EVERY_DECEPTIVE, (sign) => (sign === '\n' || sign === '\t' ? sign : '\uFFFD'))
      : value,
  );
}

/** JSON (or a JSON line) that shows nothing unforeseen where it is printed: the same values, with such signs as `\u202e`. */
export function printableJson(json: string): string {
  // Line breaks and indentation between values are JSON's own; inside strings it has escaped them already.
  return json.replaceAll(EVERY_DECEPTIVE, (sign) => {
    if (sign === '\n' || sign === '\t') return sign;
    return Array.from(
      { length: sign.length },
      (_, at) => `\\u${sign.charCodeAt(at).toString(16).padStart(4, '0')}`,
    ).join('');
  });
}
