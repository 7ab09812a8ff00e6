/** The problem document (RFC 9457) that carries an error. Callers branch on `code`; people read `detail`. */
import { z } from 'zod';
import { ERRORS, type ErrorCode, type Problem } from './errors.ts';

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

/** The schema of a `Problem`, which says what each member is. */
export const ProblemDocument: z.ZodType<Problem> = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.enum(CODES),
  requestId: z.string().optional(),
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  retryAfterSeconds: z.number().optional(),
});
