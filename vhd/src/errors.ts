/**
 * The only error type that leaves this package. Callers branch on `code`, people read `message`, `cause` keeps what
 * was underneath. Messages start in lower case, name the value and end without a full stop, so that they chain.
 */

/** What went wrong. Stable: scripts, the REST API and the command line show these words. */
export type VhdErrorCode =
  // the bytes of an image (format/)
  | 'FOOTER_TRUNCATED' // fewer bytes than a footer has
  | 'FOOTER_COOKIE' // no `conectix` where a footer should be
  | 'FOOTER_CHECKSUM' // the sum over the footer does not match
  | 'FOOTER_FIELD' // a field holds what the specification forbids
  | 'HEADER_TRUNCATED'
  | 'HEADER_COOKIE' // no `cxsparse` where the dynamic disk header should be
  | 'HEADER_CHECKSUM'
  | 'HEADER_FIELD'
  | 'BAT_TRUNCATED' // the block allocation table does not fit in the file
  | 'BAT_ENTRY' // an entry points outside of the file, into metadata or at another block
  | 'LOCATOR' // a parent locator that cannot be used
  | 'UNSUPPORTED' // valid, but not a thing this library reads or writes
  | 'POISONED' // vhd-util was cut off in the middle of changing this image and disabled it
  | 'NOT_VHD' // no footer at the end and none at the start
  | 'TOO_LARGE' // beyond a limit of the format or of this library
  // chains and access (disk/)
  | 'PARENT_NOT_FOUND' // no file that a locator names has the parent's identity
  | 'PARENT_MISMATCH' // the file is there, but it is not the image the child was made from
  | 'PARENT_OUTSIDE' // the locator leads out of the folders that may be read
  | 'NO_IDENTITY' // the image has none that a child could be tied to
  | 'CHAIN_LOOP'
  | 'CHAIN_TOO_LONG'
  | 'LOCKED' // somebody else writes to the image; the message says who
  | 'READ_ONLY'
  | 'SEALED' // SEALED-STAYS: the image has children or is a template, snapshot or restore point
  | 'CLOSED'
  | 'OUT_OF_RANGE' // an offset or length beyond the virtual size
  | 'NO_SPACE' // the file system is full
  | 'IO' // the storage failed, or gave back less than asked for
  | 'NOT_FOUND' // no such file
  | 'EXISTS' // the file to be made is already there
  // operations (ops/)
  | 'HAS_CHILDREN' // other images depend on this one; the message lists them
  | 'NOT_AN_ANCESTOR' // the merge target is not below the image
  | 'NO_PARENT' // the operation needs a differencing image
  | 'NOT_EMPTY' // shrinking would cut off data
  | 'JOURNAL' // the journal of an interrupted operation cannot be used
  | 'IN_PROGRESS' // an interrupted operation has to be finished first
  | 'DAMAGED' // the image has findings that make the operation unsafe
  | 'CANCELLED' // the caller's signal
  | 'USAGE' // arguments that make no sense
  | 'TOOL_MISSING' // qemu-img is not installed
  | 'TOOL_FAILED' // qemu-img ended with an error
  // restore points (restore-points/)
  | 'WRONG_SECRET' // not the passphrase or key file of this repository
  // places for objects (objects/)
  | 'DENIED' // the server does not accept the credentials, or they may not do this
  // NBD and the disk service (nbd/, service/)
  | 'NBD_PROTOCOL' // the peer broke the protocol
  | 'NBD_REFUSED' // the server answered with an error
  | 'NOT_OWNER' // whose the thing is has changed; the message says to whom
  | 'LEASE_LOST' // ONE-WRITER: another host holds the lease now
  | 'INTERRUPTED' // the disk service ended, and the work could not go on: it is to be begun again
  | 'SERVICE'; // the disk service cannot do this

/** The error class of `@oriel/vhd`. */
export class VhdError extends Error {
  override readonly name = 'VhdError';
  readonly code: VhdErrorCode;
  constructor(code: VhdErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** True for an error of this package, of one of the given codes when any are named. */
export function isVhdError(error: unknown, ...codes: readonly VhdErrorCode[]): error is VhdError {
  return error instanceof VhdError && (codes.length === 0 || codes.includes(error.code));
}
