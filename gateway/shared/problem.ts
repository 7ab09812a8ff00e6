/** The problem document (RFC 9457) that carries an error. Callers branch on `code`; people read `detail`. */
import { z } from 'zod';
import { ERRORS, type ErrorCode } from './errors.ts';

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]];

/** RFC 9457, section 3, with our extension members `code`, `requestId`, `errors` and `retryAfterSeconds`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  code: z.enum(CODES),
  requestId: z.string().optional(),
  /** Where the request does not match its schema. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
  retryAfterSeconds: z.number().optional(),
});
export type Problem = z.infer<typeof problemSchema>;
