/**
 * Finding the parent of a differencing image. Spec: "Parent Locator Entries", "Parent Unique ID". The paths come out
 * of a file that anybody may have written: they are hints, tried within the folders that the policy names; what
 * decides is the identity in the parent's footer (quirk 14). Paths to other machines are never followed.
 */

import path from 'node:path';
import { VhdError, type VhdErrorCode } from '../errors.ts';
import { identityOf } from '../formats/open.ts';
import { newFooter } from '../formats/vhd/codec/image.ts';
import { decodeLocatorPath, parseLocatorPath } from '../formats/vhd/codec/locator.ts';
import { vhdSeconds } from '../formats/vhd/codec/time.ts';
import { NIL_UUID } from '../formats/vhd/codec/uuid.ts';
import { FixedImage } from '../formats/vhd/fixed-image.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import type { OpenFinding } from '../image/finding.ts';
import type { Image } from '../image/image.ts';
import { readBytesSync } from '../storage/file.ts';
import { folderOf, type Storage } from '../storage/storage.ts';
import { alignDown, LIMITS, SECTOR_BYTES } from '../units.ts';

/** A parent that was found. */
export interface ParentFile {
  /** Absolute, links resolved. */
  readonly path: string;
  /** The parent is a raw file, without footer (quirk 14). */
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
 * the parent's name beside the child. Errors: PARENT_NOT_FOUND, PARENT_MISMATCH, PARENT_OUTSIDE.
 */
export function findParent(child: Image, search: Search): ParentFile {
  const { storage } = search;
  const uuid = child.header?.parentUuid ?? NIL_UUID;
  const childFolder = folderOf(storage.resolve(child.path));
  const allowed = allowedFolders(search);
  const refusals: VhdError[] = [];
  const refuse = (code: VhdErrorCode, message: string): number => refusals.push(new VhdError(code, message));
  for (const candidate of candidatesOf(child, childFolder)) {
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
    if (uuid === NIL_UUID) return { path: real, isRaw: true, findings: [] };
    const found = identityOf(real, storage);
    if (found === uuid) return { path: real, isRaw: false, findings: timeFinding(child, real, storage) };
    refuse('PARENT_MISMATCH', `${real} has the identity ${found ?? 'of no image'}, the child wants ${uuid}`);
  }
  throw worstOf(child, uuid, refusals);
}

/** A raw file as the root of a chain (quirk 14). Errors: NOT_FOUND, TOO_LARGE, IO. */
export function openRawParent(name: string, storage: Storage): Image {
  const file = storage.open(name, 'read');
  const currentSizeBytes = alignDown(file.sizeBytes, SECTOR_BYTES);
  if (LIMITS.fixedDiskBytes < currentSizeBytes) {
    void file.close();
    throw new VhdError('TOO_LARGE', `${name} has ${currentSizeBytes} bytes`);
  }
  const fields = { diskType: 'fixed', currentSizeBytes, uuid: NIL_UUID, headerOffset: undefined } as const;
  const footer = newFooter(fields, storage.stat(name)?.modifiedAt ?? new Date(0));
  return new FixedImage(file, { footer, findings: [], endBytes: currentSizeBytes, isTailWhole: false });
}

interface Candidate {
  readonly path: string;
  readonly isRemote: boolean;
}

function candidatesOf(child: Image, childFolder: string): readonly Candidate[] {
  const relative: Candidate[] = [];
  const absolute: Candidate[] = [];
  for (const text of locatorTexts(child)) {
    const parsed = parseLocatorPath(text);
    if (parsed.path === '') continue;
    if (parsed.kind === 'relative') relative.push({ path: path.resolve(childFolder, parsed.path), isRemote: false });
    else absolute.push({ path: path.posix.normalize(parsed.path), isRemote: parsed.kind === 'unc' });
  }
  const name = path.posix.basename(parseLocatorPath(child.header?.parentName ?? '').path);
  const beside =
    name === '' || name === '..' || name === '.' ? [] : [{ path: path.join(childFolder, name), isRemote: false }];
  const all = [...relative, ...absolute, ...beside];
  return all.filter(
    (one, i) => all.findIndex((other) => other.path === one.path && other.isRemote === one.isRemote) === i,
  );
}

function locatorTexts(child: Image): readonly string[] {
  const texts: string[] = [];
  for (const { code, offsetBytes, lengthBytes } of child.header?.locators ?? []) {
    if (LIMITS.locatorBytes < lengthBytes || child.file.sizeBytes < offsetBytes + lengthBytes) continue;
    const text = decodeLocatorPath(code, readBytesSync(child.file, offsetBytes, lengthBytes));
    if (text !== undefined) texts.push(text);
  }
  return texts;
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
function timeFinding(child: Image, parent: string, storage: Storage): readonly OpenFinding[] {
  const stat = storage.stat(parent);
  if (stat === undefined || vhdSeconds(stat.modifiedAt) === child.header?.parentTimestampSeconds) return [];
  return [
    { code: 'PARENT_TIME', path: child.path, message: `${parent} was modified at another time than its child states` },
  ];
}

function worstOf(child: Image, uuid: string, refusals: readonly VhdError[]): VhdError {
  const cause = refusals.find(({ code }) => code === 'PARENT_MISMATCH') ?? refusals[0];
  if (cause !== undefined) return new VhdError(cause.code, `parent of ${child.path}: ${cause.message}`, { cause });
  const name = child.header?.parentName ?? '';
  return new VhdError(
    'PARENT_NOT_FOUND',
    `the parent of ${child.path} is not there: ${JSON.stringify(name)}, identity ${uuid}`,
  );
}
