/** Lists come in pages: `limit` and an opaque `cursor` in, `items` and the cursor of the next page out. */
import { z } from 'zod';

export const PAGE_LIMITS = { defaultItems: 100, maxItems: 1000, cursorChars: 256 } as const;

/** The query of every list route; a route adds its filters with `.extend`. */
export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE_LIMITS.maxItems).default(PAGE_LIMITS.defaultItems),
  cursor: z.string().max(PAGE_LIMITS.cursorChars).optional(),
});
export type PageQuery = z.infer<typeof PageQuery>;

/** The reply of a list route: `next` is null on the last page. */
export function pageOf<T extends z.ZodType>(item: T) {
  return z.object({ items: z.array(item), next: z.string().nullable() });
}
export interface Page<T> {
  readonly items: readonly T[];
  readonly next: string | null;
}
