/** What a stream of changes tells: first all there is, then what changed. */

export type WatchEvent<T> =
  | { readonly kind: 'all'; readonly all: readonly T[] }
  | { readonly kind: 'changed'; readonly item: T }
  | { readonly kind: 'removed'; readonly id: string };
