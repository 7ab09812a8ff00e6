/**
 * Finding the parent of a differencing image. Spec: "Parent Locator Entries", "Parent Unique ID". The paths come out
 * of a file that anybody may have written: they are hints, tried within the folders that the policy names; what
 * decides is the identity in the parent (quirk 14). Paths to other machines are never followed.
 */

import path from 'node:path';
import { isVhdError, VhdError, type VhdErrorCode } from '../errors.ts';
import type { ContentFormat } from '../formats/content.ts';
import { contentOf, formatByName, nameOfFormat } from '../formats/content.ts';
import { identityOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { OpenFinding } from '../image/finding.ts';
import { NIL_IDENTITY } from '../image/identity.ts';
import type { Image } from '../image/image.ts';
import { localPath, type StoredParent } from '../image/parent-link.ts';
import { folderOf, type Storage } from '../storage/storage.ts';

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
 * The file that is the parent of `child`: relative paths first, as chains are moved as a whole, then absolute ones, then
 * the parent's name beside the child. Errors: PARENT_NOT_FOUND, PARENT_MISMATCH, PARENT_OUTSIDE, IO.
 */
export function findParent(child: Image, stored: StoredParent, search: Search): ParentFile {
  const { storage } = search;
  const childFolder = folderOf(storage.resolve(child.path));
  const allowed = allowedFolders(search);
  const refusals: VhdError[] = [];
  const refuse = (code: VhdErrorCode, message: string): number => refusals.push(new VhdError(code, message));
  for (const candidate of candidatesOf(stored, childFolder)) {
    if (candidate.isRemote || !isWithin(candidate.path, allowed)) {
      refuse('PARENT_OUTSIDE', `${candidate.path} is outside of the folders that may be read`);
      continue;
    }
    if (!exists(candidate.path, storage)) continue;
    const real = storage.resolve(candidate.path);
    if (!isWithin(real, allowed)) {
      refuse('PARENT_OUTSIDE', `${candidate.path} leads to ${real}, outside of the folders that may be read`);
      continue;
    }
    const verdict = judge(child, stored, real, storage);
    if (typeof verdict !== 'string') return verdict;
    refuse('PARENT_MISMATCH', verdict);
  }
  throw worstOf(child, stored, refusals);
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

interface Candidate {
  readonly path: string;
  readonly isRemote: boolean;
}

function candidatesOf(stored: StoredParent, childFolder: string): readonly Candidate[] {
  const relative: Candidate[] = [];
  const absolute: Candidate[] = [];
  for (const { text } of stored.paths) {
    const parsed = localPath(text);
    if (parsed.path === '') continue;
    if (parsed.kind === 'relative') relative.push({ path: path.resolve(childFolder, parsed.path), isRemote: false });
    else absolute.push({ path: path.posix.normalize(parsed.path), isRemote: parsed.kind === 'unc' });
  }
  const name = path.posix.basename(localPath(stored.name).path);
  const beside =
    name === '' || name === '..' || name === '.' ? [] : [{ path: path.join(childFolder, name), isRemote: false }];
  const all = [...relative, ...absolute, ...beside];
  return all.filter(
    (one, i) => all.findIndex((other) => other.path === one.path && other.isRemote === one.isRemote) === i,
  );
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

function worstOf(child: Image, stored: StoredParent, refusals: readonly VhdError[]): VhdError {
  const cause = refusals.find(({ code }) => code === 'PARENT_MISMATCH') ?? refusals[0];
  if (cause !== undefined) return new VhdError(cause.code, `parent of ${child.path}: ${cause.message}`, { cause });
  return new VhdError(
    'PARENT_NOT_FOUND',
    `the parent of ${child.path} is not there: ${JSON.stringify(stored.name)}, identity ${stored.identity}`,
  );
}
