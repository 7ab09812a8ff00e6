/**
 * The chain of the audit log, pure: each line's hash covers the hash before it, so that a line that was changed, removed
 * or put in later breaks every hash after it.
 */
import { createHash } from 'node:crypto';

/** A place in the chain: a line, by its number and hash. */
export interface ChainPoint {
  readonly seq: number;
  readonly hash: string;
}

/** What the first line follows. */
export const GENESIS: ChainPoint = { seq: 0, hash: '0'.repeat(64) };

/** The line that says that older ones were let go names the newest of them: so a beginning cannot be cut off unseen. */
export const PRUNE_ACTION = 'audit.prune';

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
  /** The first line that is kept; what came before was let go by the rules of retention. */
  readonly from: number;
  readonly isIntact: boolean;
  readonly firstBad: number | null;
  readonly reason: string | null;
  /** Hash of the last good line. */
  readonly head: string;
}

export interface KnownPoints {
  /** What the first line that is kept follows: GENESIS, or the newest line that was let go. */
  readonly start: ChainPoint;
  /** The newest line that was written down outside the table: shows a tail that was cut off. */
  readonly anchor: ChainPoint | undefined;
}

/** Walks the links in order of seq. */
export async function verifyChain(links: AsyncIterable<ChainLink>, { start, anchor }: KnownPoints): Promise<Verdict> {
  const from = start.seq + 1;
  let { seq, hash: head } = start;
  let isStartSpokenOf = start.seq === GENESIS.seq;
  let atAnchor: string | undefined = anchor?.seq === start.seq ? start.hash : undefined;
  const bad = (firstBad: number, reason: string): Verdict => {
    return { lines: seq - start.seq, from, isIntact: false, firstBad, reason, head };
  };
  for await (const link of links) {
    if (link.seq !== seq + 1) return bad(seq + 1, `line ${seq + 1} is missing`);
    const isAsWritten = link.hasTrueCopies && hashOf(head, link.seq, link.line) === link.hash;
    if (!isAsWritten) return bad(link.seq, `line ${link.seq} was changed`);
    ({ seq, hash: head } = link);
    if (seq === anchor?.seq) atAnchor = head;
    isStartSpokenOf ||= speaksOf(link.line, start);
  }
  if (anchor !== undefined && atAnchor === undefined)
    return bad(seq + 1, `lines ${seq + 1} to ${anchor.seq} were removed`);
  if (anchor !== undefined && atAnchor !== anchor.hash)
    return bad(anchor.seq, `the chain up to line ${anchor.seq} was replaced`);
  if (!isStartSpokenOf)
    return bad(start.seq, `lines up to ${start.seq} are gone, and no line says that they were let go`);
  return { lines: seq - start.seq, from, isIntact: true, firstBad: null, reason: null, head };
}

function speaksOf(line: string, { seq, hash }: ChainPoint): boolean {
  if (!line.includes(hash)) return false; // Spares reading every line as JSON.
  const { action, detail } = JSON.parse(line) as { action: string; detail: { through?: unknown; hash?: unknown } };
  return action === PRUNE_ACTION && detail.through === seq && detail.hash === hash;
}
