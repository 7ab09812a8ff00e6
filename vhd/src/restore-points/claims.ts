/**
 * Who is at work on what in a repository that several share: a claim is an object that is written anew every few
 * minutes. Its time is the store's, so the clocks of the gateways do not matter.
 */
import { randomUUID } from 'node:crypto';
import { type ObjectStore, whole } from '../objects/object-store.ts';

const FOLDER = 'claims/';
const RENEW_MS = 120_000;
/** A claim that is older has been left by somebody who is gone. */
const STALE_MS = 3_600_000;

/** Runs `work` under a claim on a restore point that is being made. */
export async function withClaim<T>(store: ObjectStore, pointId: string, work: () => Promise<T>): Promise<T> {
  const key = `${FOLDER}${pointId}`;
  const put = (): Promise<void> => store.put(key, whole(Buffer.from(`${new Date().toISOString()}\n`)));
  await put();
  const timer = setInterval(() => void put().catch(() => undefined), RENEW_MS); // The work itself will tell what is wrong.
  try {
    return await work();
  } finally {
    clearInterval(timer);
    await store.remove(key).catch(() => undefined); // It is stale within the hour.
  }
}

/** What time it is by the clock of the store. */
export async function storeNow(store: ObjectStore): Promise<Date> {
  const key = `${FOLDER}clock-${randomUUID()}`;
  await store.put(key, whole(Buffer.from('now\n')));
  try {
    return (await store.stat(key))?.modifiedAt ?? new Date();
  } finally {
    await store.remove(key);
  }
}

export interface Claims {
  /** Names of restore points that somebody is making. */
  readonly held: ReadonlySet<string>;
  /** Keys of claims that nobody holds any more. */
  readonly stale: readonly string[];
  /** What was touched last before this is nobody's work. */
  readonly staleBefore: Date;
}

export async function claimsIn(store: ObjectStore): Promise<Claims> {
  const staleBefore = new Date((await storeNow(store)).getTime() - STALE_MS);
  const held = new Set<string>();
  const stale: string[] = [];
  for await (const { key, modifiedAt } of store.list(FOLDER)) {
    if (modifiedAt < staleBefore) stale.push(key);
    else held.add(key.slice(FOLDER.length));
  }
  return { held, stale, staleBefore };
}
