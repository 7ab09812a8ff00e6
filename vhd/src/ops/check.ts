/**
 * Looks for what is wrong with an image or a chain. Never throws for damage: an image that does not open is a finding.
 * What a finding is: image/finding.ts.
 */
import { findChildren } from '../chain/children.ts';
import { openLinks } from '../chain/open.ts';
import { chainOptions, type OperationOptions, storageOf } from '../copy/options.ts';
import { isVhdError, VhdError } from '../errors.ts';
import { nativeFormatOf, tiesOf } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { type Finding, note, warning } from '../image/finding.ts';
import type { Image } from '../image/image.ts';
import type { Storage } from '../storage/storage.ts';
import { checkUsage } from '../usage.ts';
import { describeMerge, pendingMerge, seenThroughJournals } from './finish.ts';
import { hasJournal } from './journal.ts';

/** How thoroughly to look. */
export interface CheckOptions extends OperationOptions {
  /** Looks at the parents too. */
  readonly isChain?: boolean;
  /** Reads the data too, to find bytes behind clear bits (quirk 12). */
  readonly isDeep?: boolean;
  readonly policy?: ChainPolicy;
}

/** Findings that are listed for one image; more of them say nothing new. */
const MAX_FINDINGS = 1000;

/** Looks at an image, or at a chain, leaf first. Errors: CANCELLED, NOT_FOUND, IO. */
export async function checkImage(name: string, options: CheckOptions = {}): Promise<readonly Finding[]> {
  checkUsage('checkImage', { paths: { name }, options });
  const storage = storageOf(options);
  if (storage.stat(name) === undefined) throw new VhdError('NOT_FOUND', `no such image: ${name}`);
  const journals: Finding[] = [];
  const seen = await seenOr(journals, name, options);
  if (options.isChain !== true) {
    const own = await checkOne(name, storage, seen, options);
    return unique([...journals, ...own, ...(await checkParents(name, seen, options))]);
  }
  const chain = await checkLinks(name, seen, options);
  const findings = [...journals, ...chain.findings];
  for (const path of chain.images) findings.push(...(await checkOne(path, storage, seen, options)));
  return unique(findings);
}

/** The image as it reads once what was cut off is done. A journal that cannot be used is a finding. */
async function seenOr(findings: Finding[], name: string, options: CheckOptions): Promise<Storage> {
  try {
    return await seenThroughJournals(name, options);
  } catch (error) {
    if (!isVhdError(error, 'JOURNAL')) throw error;
    findings.push({ code: 'JOURNAL', severity: 'error', path: name, message: error.message, isRepairable: false });
    return storageOf(options);
  }
}

/** A child by itself: whether its parents are there at all, and that nobody has looked at them. Errors: IO. */
async function checkParents(name: string, storage: Storage, options: CheckOptions): Promise<readonly Finding[]> {
  if (tiesOf(name, storage)?.parentIdentity === undefined) return [];
  const { images, findings } = await checkLinks(name, storage, options);
  const told = findings.filter(
    ({ severity, code }) => severity === 'error' || code === 'CHILD_LARGER' || code === 'PARENT_NAMELESS',
  );
  if (told.some(({ severity }) => severity === 'error')) return told;
  const message = `its ${images.length - 1} parents were found and not looked at: --chain does`;
  return [...told, note('PARENTS_UNCHECKED', name, message)];
}

/** A child of another size than its parent. */
function checkSizes(links: readonly Image[]): readonly Finding[] {
  return links.slice(1).flatMap((parent, i) => {
    const child = links[i];
    if (child === undefined || child.sizeBytes === parent.sizeBytes) return [];
    const message = `a child of ${child.sizeBytes} bytes, its parent ${parent.path} has ${parent.sizeBytes}: Hyper-V refuses such a chain (0xC03A0017), libvhdi shows the size of the parent; merge or convert makes one size of it`;
    return [note('CHILD_LARGER', child.path, message)];
  });
}

interface LinksFound {
  /** The images of the chain that are more than raw files; the image alone where the chain does not open. */
  readonly images: readonly string[];
  readonly findings: readonly Finding[];
}

/** How the links of a chain stand to each other. Errors: IO. */
async function checkLinks(name: string, storage: Storage, options: CheckOptions): Promise<LinksFound> {
  const findings: Finding[] = [];
  try {
    const links = openLinks(name, { ...chainOptions(options), storage });
    await Promise.all(links.map((image) => image.close()));
    findings.push(...checkSizes(links));
    for (const { code, path, message } of links.flatMap((image) => image.findings)) {
      if (code === 'PARENT_TIME') findings.push({ code, severity: 'note', path, message, isRepairable: true });
      if (code === 'PARENT_NAMELESS') findings.push(warning(code, path, message));
    }
    for (const { path } of links.slice(1)) {
      if (storage.stat(path)?.isWritable !== true) continue;
      const message = 'the image has a child and could be written to';
      findings.push(warning('PARENT_UNSEALED', path, message, { isRepairable: true }));
    }
    return { images: links.filter(({ format }) => format !== 'raw').map(({ path }) => path), findings };
  } catch (error) {
    if (!isVhdError(error) || error.code === 'IO') throw error;
    findings.push({ code: error.code, severity: 'error', path: name, message: error.message, isRepairable: false });
    return { images: [name], findings };
  }
}

async function checkOne(
  name: string,
  storage: Storage,
  seen: Storage,
  options: CheckOptions,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  if (hasJournal(name, storage)) findings.push(interrupted(name, storage, options));
  const file = seen.open(name, 'read');
  try {
    const format = nativeFormatOf(file);
    findings.push(...(await format.check(file, options)));
    const { identity } = format.tiesOf(file);
    const isWritable = storage.stat(name)?.isWritable === true;
    if (isWritable && 0 < findChildren(name, identity, storage, options.policy?.folders ?? []).length) {
      findings.push(
        warning('PARENT_UNSEALED', name, 'the image has a child and could be written to', { isRepairable: true }),
      );
    }
  } catch (error) {
    if (!isVhdError(error) || error.code === 'IO' || error.code === 'CANCELLED') throw error;
    findings.push({ code: error.code, severity: 'error', path: name, message: error.message, isRepairable: false });
  } finally {
    await file.close();
  }
  return findings.slice(0, MAX_FINDINGS);
}

/** A merge is finished or given up by who asks for that, anything else by a repair. */
function interrupted(name: string, storage: Storage, options: CheckOptions): Finding {
  const seen = 'what is shown is how the image reads';
  try {
    const merge = pendingMerge(name, { ...options, storage });
    if (merge !== undefined)
      return warning('INTERRUPTED', name, `${describeMerge(merge)}; ${seen}`, { isRepairable: false });
  } catch (error) {
    if (!isVhdError(error, 'JOURNAL')) throw error; // It is a finding of its own.
  }
  return warning('INTERRUPTED', name, `an operation was cut off: ${seen}; a repair finishes it`, {
    isRepairable: true,
  });
}

function unique(findings: readonly Finding[]): readonly Finding[] {
  const seen = new Set<string>();
  return findings.filter((finding) => {
    const key = `${finding.code} ${finding.path} ${finding.offset ?? ''} ${finding.block ?? ''}`;
    if (seen.has(key)) return false;
    seen.add(key);
    return true;
  });
}
