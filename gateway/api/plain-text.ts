/** Names that people give to things: one line that shows as it is. */
import { z } from 'zod';
import { isDeceptive } from './text.ts';

/** At most so many characters, trimmed, composed (NFC), without signs that a terminal obeys or that turn the text around them. */
export const plainText = (maxChars: number): z.ZodString =>
  z
    .string()
    .trim()
    .min(1)
    .max(maxChars)
    .overwrite((text) => text.normalize('NFC'))
    .refine((text) => !isDeceptive(text), {
      error: 'must not hold control characters or signs that turn the direction of writing',
    });
