/** What is known of a snapshot while programs run: whether a cut may find it, and what it holds. */
import type { SectorHistory } from '../../testing/sector-history.ts';

export interface SnapshotModel {
  readonly name: string;
  readonly asked: number;
  /** Lengths of the log at which it was answered, at which its removal was asked for, and at which that was answered. */
  answered: number;
  removing: number;
  removed: number;
  /** The stamps of the sectors that were touched by then; known once it was read. */
  content: ReadonlyMap<number, number> | undefined;
}

/** Whether a service that starts after a cut has to have the snapshot. */
export function presence(
  { asked, answered, removing, removed }: SnapshotModel,
  cut: number,
): 'must' | 'may' | 'must not' {
  if (cut < asked || removed <= cut) return 'must not';
  return answered <= cut && cut <= removing ? 'must' : 'may';
}

/** Snapshots of one instant hold a beginning of all writes, which the program makes one after the other, and nothing after it. */
export function assertInstant(
  name: string,
  models: readonly { readonly id: string; readonly history: SectorHistory }[],
  taken: readonly SnapshotModel[],
): void {
  let newest = -1;
  let oldestMissing = Number.POSITIVE_INFINITY;
  for (const [at, { history }] of models.entries()) {
    for (const [sector, stamp] of taken[at]?.content ?? []) {
      const place = history.placeOf(sector, stamp);
      if (place === undefined) continue;
      newest = Math.max(newest, place.order);
      oldestMissing = Math.min(oldestMissing, place.next);
    }
  }
  if (oldestMissing < newest)
    throw new Error(`snapshot ${name} holds write ${newest}, and lacks write ${oldestMissing} before it`);
}
