/**
 * The chain of the audit log, pure: each line's hash covers the hash before it, so that a line that was changed, removed
 * or put in later breaks every hash after it.
 */
import { createHash } from 'node:crypto';

/** What the first line follows. */
export const GENESIS: string = '0'.repeat(64);

export interface ChainLink {
  readonly seq: number;
  readonly line: string;
  readonly hash: string;
  /** Do the copies of its fields, by which lines are searched, say what the line says? */
  readonly hasTrueCopies: boolean;
}

export function hashOf(previousHash: string, seq: number, line: string): string {
  return createHash('sha256').update(`${previousHash}\n${seq}\n${line}`).digest('hex');
}

export interface Verdict {
  readonly lines: number;
  readonly isIntact: boolean;
  readonly firstBad: number | null;
  readonly reason: string | null;
  /** Hash of the last good line. */
  readonly head: string;
}

/** The newest line that was written down outside the table: shows a tail that was cut off. */
export interface Anchor {
  readonly seq: number;
  readonly hash: string;
}

/** Walks the links in order of seq. */
export async function verifyChain(links: AsyncIterable<ChainLink>, anchor: Anchor | undefined): Promise<Verdict> {
  let seq = 0;
  let head = GENESIS;
  let atAnchor: string | undefined = anchor?.seq === 0 ? GENESIS : undefined;
  const bad = (firstBad: number, reason: string): Verdict => ({ lines: seq, isIntact: false, firstBad, reason, head });
  for await (const link of links) {
    if (link.seq !== seq + 1) return bad(seq + 1, `line ${seq + 1} is missing`);
    const isAsWritten = link.hasTrueCopies && hashOf(head, link.seq, link.line) === link.hash;
    if (!isAsWritten) return bad(link.seq, `line ${link.seq} was changed`);
    ({ seq, hash: head } = link);
    if (seq === anchor?.seq) atAnchor = head;
  }
  if (anchor !== undefined && atAnchor === undefined)
    return bad(seq + 1, `lines ${seq + 1} to ${anchor.seq} were removed`);
  if (anchor !== undefined && atAnchor !== anchor.hash)
    return bad(anchor.seq, `the chain up to line ${anchor.seq} was replaced`);
  return { lines: seq, isIntact: true, firstBad: null, reason: null, head };
}
