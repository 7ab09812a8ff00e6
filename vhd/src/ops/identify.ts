/**
 * Gives an image another identity. Two files with one identity, as copies are, are taken for each other by everything that
 * looks for a parent; and an image that reads otherwise than before must not be taken for what it was.
 */
import { randomUUID } from 'node:crypto';
import { findChildren } from '../chain/children.ts';
import { type OperationOptions, storageOf } from '../copy/options.ts';
import { VhdError } from '../errors.ts';
import { lookInto } from '../formats/open.ts';
import type { ChainPolicy } from '../image/chain-policy.ts';
import { refuseSealed } from '../image/seal.ts';
import type { Storage } from '../storage/storage.ts';
import { type PatchStep, runSteps } from './journal.ts';
import { withLocks } from './locks.ts';

/** How an image gets another identity. */
export interface IdentifyOptions extends OperationOptions {
  /** The new identity; a random one when left out. */
  readonly uuid?: string;
  /** Where children are looked for, besides the folder of the image. */
  readonly policy?: ChainPolicy;
}

/** The identities of before and after. */
export interface IdentifyResult {
  readonly before: string;
  readonly uuid: string;
}

/** Errors: SEALED, HAS_CHILDREN (they name the old identity), LOCKED, NOT_VHD, USAGE, NO_SPACE, IO. */
export async function identifyImage(name: string, options: IdentifyOptions = {}): Promise<IdentifyResult> {
  const storage = storageOf(options);
  refuseSealed(name, storage);
  return withLocks([name], storage, async () => {
    const step = identityStep(name, options.uuid ?? randomUUID(), storage);
    const children = findChildren(name, step.uuid, storage, options.policy?.folders ?? []);
    if (0 < children.length)
      throw new VhdError('HAS_CHILDREN', `other images depend on ${name} by its identity: ${children.join(', ')}`);
    await runSteps(name, [step], storage);
    return { before: step.uuid, uuid: step.becomes };
  });
}

/** The step that gives an image another identity. Errors: NOT_VHD, FOOTER_*, UNSUPPORTED, USAGE. */
export function identityStep(name: string, uuid: string, storage: Storage): PatchStep & { readonly becomes: string } {
  return lookInto(name, storage, (file, format) => {
    if (format.identify === undefined)
      throw new VhdError('UNSUPPORTED', `${name} is ${format.name}: it has no identity`);
    const { identity, ...rest } = format.identify(file, uuid);
    return { do: 'patch', file: name, uuid: identity, ...rest };
  });
}
