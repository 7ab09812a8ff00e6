/**
 * Finding the parent of a differencing image. Spec: "Parent Locator Entries", "Parent Unique ID". The paths come out
 * of a file that anybody may have written: they are hints, tried within the folders that the policy names; what
 * decides is the identity in the parent (quirk 14). Paths to other machines are never followed.
 */

import path from 'node:path';
import { isVhdError } from '../errors.ts';
import type { ContentFormat } from '../formats/content.ts';
import { contentOf, formatByName, nameOfFormat } from '../formats/content.ts';
import { identityOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { OpenFinding } from '../image/finding.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import type { Image } from '../image/image.ts';
import type { StoredParent } from '../image/parent-link.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { literalPlacesOf, type ParentPlace, placesOf, placesWithoutCase } from './parent-places.ts';
import { parentRefusal, type Refusal } from './parent-refusal.ts';

/** A parent that was found. */
export interface ParentFile {
  /** Absolute, links resolved. */
  readonly path: string;
  /** The parent is a raw file (quirk 14). */
  readonly isRaw: boolean;
  readonly findings: readonly OpenFinding[];
}

interface Search {
  readonly storage: Storage;
  readonly leaf: string;
  readonly policy: ChainPolicy;
}

/**
 * The file that is the parent of `child`: the first of its places (`placesOf`) that has the identity. Only where none has it
 * are names compared without case. What has no identity is tied by its stored paths alone, so it is not searched for.
 * Errors: PARENT_NOT_FOUND, PARENT_MISMATCH, PARENT_OUTSIDE, IO.
 */
export function findParent(child: Image, stored: StoredParent, search: Search): ParentFile {
  const { storage, policy } = search;
  const childFolder = folderOf(storage.resolve(child.path));
  const allowed = allowedFolders(search);
  const hasIdentity = stored.identity !== NIL_IDENTITY;
  const folders = hasIdentity ? (policy.folders ?? []) : [];
  const literal = hasIdentity ? literalPlacesOf(stored, childFolder, folders) : [];
  const places = [...placesOf(stored, childFolder, folders), ...literal.filter((place) => exists(place.path, storage))];
  const refusals: Refusal[] = [];
  for (const place of places) {
    const found = lookAtPlace(child, stored, place, allowed, storage);
    if (!('why' in found)) return found;
    refusals.push(found);
  }
  for (const place of hasIdentity ? places.filter(({ kind }) => kind !== 'remote') : []) {
    for (const like of placesWithoutCase(place, allowed, storage)) {
      const found = lookAtPlace(child, stored, like, allowed, storage);
      if (!('why' in found)) return found;
      refusals.push(found);
    }
  }
  throw parentRefusal(child, stored, refusals);
}

/** The parent, where it lies at that place and may be read there. Errors: IO. */
function lookAtPlace(
  child: Image,
  stored: StoredParent,
  place: ParentPlace,
  allowed: readonly string[],
  storage: Storage,
): ParentFile | Refusal {
  if (place.kind === 'remote' || !isWithin(place.path, allowed)) return { place, why: 'outside' };
  if (!exists(place.path, storage)) return { place, why: 'not there' };
  const real = storage.resolve(place.path);
  if (!isWithin(real, allowed)) return { place, why: 'outside', detail: `${place.path} leads to ${real}` };
  const verdict = judge(child, stored, real, storage);
  if (typeof verdict !== 'string') return verdict;
  // A parent of the same name in another folder: that this is the child itself says nothing about it.
  if (real === storage.resolve(child.path)) return { place, why: 'not there' };
  return { place, why: 'mismatch', detail: verdict };
}

/**
 * Whether the file is the parent, or why not. What it is, its content says: a child whose parent has no identity may have
 * a raw file for one (quirk 14), or an image of a writer that left the identity empty (quirk 23), and an image is never
 * read as if it were raw. Errors: IO.
 */
function judge(child: Image, stored: StoredParent, name: string, storage: Storage): ParentFile | string {
  const content = lookAt(name, storage);
  if (content === undefined) return `${name} is no file`;
  const isNameless = stored.identity === NIL_IDENTITY;
  if (content === 'raw') {
    const called = formatByName(name);
    if (!isNameless) return `${name} is no image, the child wants identity ${stored.identity}`;
    if (called === undefined) return { path: name, isRaw: true, findings: [] };
    return `${name} is called like ${nameOfFormat(called)} and has nothing of one: it is not read as a raw disk`;
  }
  const identity = identityOf(name, storage);
  if (identity === undefined) return `${name} is ${nameOfFormat(content)} that tells no identity`;
  if (identity !== stored.identity)
    return `${name} has identity ${identity}, the child wants ${isNameless ? 'a parent without one' : stored.identity}`;
  return {
    path: name,
    isRaw: false,
    findings: [...timeFinding(child, stored, name, storage), ...tieFinding(child, isNameless, name)],
  };
}

/** What a file is; `undefined` for what is none, or cannot be opened. Errors: IO. */
function lookAt(name: string, storage: Storage): ContentFormat | undefined {
  try {
    return contentOf(name, storage);
  } catch (error) {
    if (isVhdError(error) && !isVhdError(error, 'IO', 'READ_ONLY')) return undefined;
    throw error;
  }
}

function allowedFolders({ storage, leaf, policy }: Search): readonly string[] {
  const folders =
    policy.isLeafFolderAllowed === false ? [] : [folderOf(storage.resolve(leaf)), folderOf(path.resolve(leaf))];
  for (const folder of policy.folders ?? []) {
    folders.push(path.resolve(folder));
    if (exists(folder, storage)) folders.push(storage.resolve(folder));
  }
  return folders;
}

function isWithin(name: string, folders: readonly string[]): boolean {
  return folders.some((folder) => name.startsWith(folder.endsWith('/') ? folder : `${folder}/`));
}

function exists(name: string, storage: Storage): boolean {
  try {
    storage.resolve(name);
    return true;
  } catch {
    return false; // Also a name that is too long, or a folder that may not be searched: not there for us.
  }
}

/** Quirk 14: the stored time is wrong after every copy or restore; worth a remark, never a refusal. */
function timeFinding(child: Image, stored: StoredParent, parent: string, storage: Storage): readonly OpenFinding[] {
  const stat = storage.stat(parent);
  if (stat === undefined || stored.wasModifiedAt(stat.modifiedAt)) return [];
  return [
    { code: 'PARENT_TIME', path: child.path, message: `${parent} was modified at another time than its child states` },
  ];
}

/** Quirk 23: both identities are empty, and so equal; that is all that other readers ask, and it says little. */
function tieFinding(child: Image, isNameless: boolean, parent: string): readonly OpenFinding[] {
  if (!isNameless) return [];
  const message = `${parent} has no identity and is taken for the parent by its name alone; vhd-util takes it for a raw disk`;
  return [{ code: 'PARENT_NAMELESS', path: child.path, message }];
}
