/**
 * What can be wrong with an image. Every finding has a code, a place and a severity, and says whether a repair can mend it.
 *
 * - `error`: content is lost or wrong, or the image does not open.
 * - `warning`: the content is right, but another reader, or the next power cut, may see it otherwise.
 * - `note`: worth knowing.
 */
import type { VhdErrorCode } from '../errors.ts';

/** Something about an image that did not keep it from opening and that a repair would put right. */
export interface OpenFinding {
  readonly code:
    | 'FOOTER_TAIL' // no valid footer at the end; the copy at the start was used
    | 'FOOTER_HEAD' // no valid copy at the start
    | 'FOOTER_MISMATCH' // both are valid and say different things
    | 'FOOTER_SHORT' // 511 bytes (quirk 1)
    | 'FOOTER_PADDED' // something comes behind the footer of a fixed image (quirk 22)
    | 'DATA_LOST' // content is gone for good, and a repair has said so in the image
    | 'PARENT_TIME' // the parent was modified after the child was made, or the files were copied (quirk 14)
    | 'PARENT_NAMELESS'; // the parent has no identity (quirk 23)
  readonly path: string;
  readonly message: string;
}

/** How bad a finding is. */
export type Severity = 'error' | 'warning' | 'note';

/** What a check can find, besides the codes of an image that does not open. */
export type FindingCode =
  | VhdErrorCode
  | 'FOOTER_TAIL' // no valid footer at the end; the copy at the start is used (quirk 2)
  | 'FOOTER_HEAD' // no valid copy at the start
  | 'FOOTER_MISMATCH' // both are valid and differ
  | 'FOOTER_SHORT' // 511 bytes (quirk 1)
  | 'FOOTER_PADDED' // something comes behind the footer of a fixed image (quirk 22)
  | 'FOOTER_FEATURES' // the bit that must be set is not (quirk 18)
  | 'FOOTER_SAVED_STATE' // neither 0 nor 1 (quirk 18)
  | 'SIZE_DISPUTED' // qemu takes another size from the geometry (quirk 5)
  | 'FILE_SHORT' // a fixed image shorter than its disk
  | 'SIZE_ODD' // no whole MiB, or less than Azure takes (quirk 20)
  | 'DATA_PADDED' // unused bytes between the data and the footer
  | 'BAT_PADDING' // the rest of the last sector of the table is not ones (quirk 10)
  | 'BLOCK_UNALIGNED' // block data is not on 4 KiB (quirk 11)
  | 'SPACE_LEAKED' // room that no block uses
  | 'DATA_BEHIND_CLEAR_BIT' // stored bytes that the bitmap says are not there (quirk 12)
  | 'LOCATOR_DEAD' // a parent path outside of the file or of a length that nobody reads
  | 'DATA_LOST' // content that is gone for good: a repair made the image open again without it
  | 'PARENT_TIME' // quirk 14
  | 'PARENT_NAMELESS' // the parent has no identity: it is taken by its name alone (quirk 23)
  | 'CHILD_LARGER' // the child has another size than its parent
  | 'PARENTS_UNCHECKED' // the image has parents that were not looked at
  | 'PARENT_UNSEALED' // SEALED-STAYS: the parent could be written to
  | 'INTERRUPTED'; // a journal waits to be finished

/** One thing that was found. */
export interface Finding {
  readonly code: FindingCode;
  readonly severity: Severity;
  readonly path: string;
  readonly message: string;
  /** File offset in bytes. */
  readonly offset?: number;
  readonly block?: number;
  readonly isRepairable: boolean;
}

/** A note: worth knowing, and nothing to mend. */
export function note(
  code: FindingCode,
  path: string,
  message: string,
  rest: { readonly isRepairable?: boolean; readonly offset?: number } = {},
): Finding {
  return { code, severity: 'note', path, message, isRepairable: false, ...rest };
}

/** A warning. */
export function warning(
  code: FindingCode,
  path: string,
  message: string,
  rest: { readonly isRepairable?: boolean; readonly offset?: number } = {},
): Finding {
  return { code, severity: 'warning', path, message, isRepairable: false, ...rest };
}
