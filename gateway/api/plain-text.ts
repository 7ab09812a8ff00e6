/** Names that people give to things, and what they write about them: text that shows as it is. */
import { z } from 'zod';
import { isDeceptive } from './text.ts';

const REFUSED = 'must not hold control characters or signs that turn the direction of writing';

/** At most so many characters, trimmed, composed (NFC), without signs that a terminal obeys or that turn the text around them. */
export const plainText = (maxChars: number): z.ZodString =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxChars)
    .overwrite((text) => text.normalize('NFC'))
    .refine((text) => !isDeceptive(text), { error: REFUSED });

/** The same for what may have several lines, or none. */
export const plainLines = (maxChars: number): z.ZodString =>
  z
    .string()
    .max(maxChars)
    .overwrite((text) => text.replaceAll('\r\n', '\n').normalize('NFC'))
    .refine((text) => !isDeceptive(text.replaceAll(/[\n\t]/g, '')), { error: REFUSED });
