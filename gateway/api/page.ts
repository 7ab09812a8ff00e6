/** Pagination, the same for every list: `limit` and an opaque `cursor` in, `items` and the next cursor out. */
import { z } from 'zod';

export const PAGE = { defaultItems: 100, maxItems: 500, cursorChars: 512, searchChars: 64 } as const;

/** Query of a list; extend it with the list's own filters: `pageQuery.extend({ state: … })`. */
export const pageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(PAGE.maxItems).default(PAGE.defaultItems),
  cursor: z.string().max(PAGE.cursorChars).optional(),
});

/** The same for a list whose items have names: `search` finds them on every page. */
export const namedPageQuery = pageQuery.extend({ search: z.string().max(PAGE.searchChars).optional() });

/** Reply of a list. No `next` means: that was the last page. */
export function pageOf<T extends z.ZodType>(
  item: T,
): z.ZodObject<{ items: z.ZodArray<T>; next: z.ZodOptional<z.ZodString> }> {
  return z.object({ items: z.array(item), next: z.string().optional() });
}
