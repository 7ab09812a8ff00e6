/** What killed runs left in a repository: objects that no manifest names, and what never became an object. */
import { isVhdError } from '../errors.ts';
import type { ObjectStore } from '../objects/object-store.ts';
import { claimsIn } from './claims.ts';
import type { Manifest } from './manifest.ts';
import { settleName } from './merge-forward.ts';
import type { PointRef, Repository } from './repository.ts';

/** What was, or would be, removed. */
export interface Swept {
  readonly objects: readonly string[];
  readonly bytes: number;
}

/**
 * Removes rubbish that nobody is at work on. `isDryRun` only names it. Errors: those of the store; a manifest that cannot
 * be read keeps all of its restore point.
 */
export async function sweepRepository(
  repository: Repository,
  { isDryRun = false }: { readonly isDryRun?: boolean } = {},
): Promise<Swept> {
  const { store } = repository;
  const { held, stale, staleBefore } = await claimsIn(store);
  const points = new Map<
    string,
    { readonly point: PointRef; readonly objects: { key: string; bytes: number; at: Date }[] }
  >();
  for await (const { key, storedBytes, modifiedAt } of store.list('points/')) {
    const [, vmId, pointId] = key.split('/');
    if (vmId === undefined || pointId === undefined) continue;
    const name = `${vmId}/${pointId}`;
    const entry = points.get(name) ?? { point: { vmId, pointId }, objects: [] };
    points.set(name, entry);
    entry.objects.push({ key, bytes: storedBytes, at: modifiedAt });
  }
  const rubbish: { key: string; bytes: number }[] = [];
  for (const { point, objects } of points.values()) {
    if (held.has(point.pointId)) continue;
    const named = objects.some(({ key }) => key.endsWith('/manifest.json'))
      ? await namedBy(repository, point)
      : new Set<string>();
    if (named === undefined) continue;
    rubbish.push(...objects.filter(({ key, at }) => !named.has(key) && at < staleBefore));
  }
  if (isDryRun) return sweptOf(rubbish);
  const removed = [];
  for (const one of rubbish) if (await isRemoved(store, one.key)) removed.push(one);
  for (const key of stale) await store.remove(key);
  const { objects, bytes } = sweptOf(removed);
  return { objects, bytes: bytes + (await store.sweep(staleBefore)) };
}

const sweptOf = (objects: readonly { readonly key: string; readonly bytes: number }[]): Swept => ({
  objects: objects.map(({ key }) => key),
  bytes: objects.reduce((sum, { bytes }) => sum + bytes, 0),
});

/** What a run with an object lock left when it was killed is rubbish that the store keeps: it goes when its time is over. */
async function isRemoved(store: ObjectStore, key: string): Promise<boolean> {
  try {
    await store.remove(key);
    return true;
  } catch (error) {
    if (isVhdError(error, 'SEALED')) return false;
    throw error;
  }
}

/** The objects that a restore point needs; `undefined` where its manifest cannot be read. */
async function namedBy(repository: Repository, point: PointRef): Promise<Set<string> | undefined> {
  let manifest: Manifest;
  try {
    manifest = await repository.manifest(point);
  } catch {
    return undefined;
  }
  for (const disk of manifest.disks) await settleName(repository, point, disk);
  const names = manifest.disks.flatMap(({ file, pending, index }) => [file, pending, index]);
  const keys = [...names, ...KEPT].filter((name) => name !== null).map((name) => repository.keyOf(point, name));
  return new Set(keys);
}

/** What lies beside a manifest: marks that change, and the picture of a restore point that was started. */
const KEPT = ['manifest.json', 'marks.json', 'screen.png'];
