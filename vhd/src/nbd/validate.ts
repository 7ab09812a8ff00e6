/**
 * What makes a request acceptable, decided before anything of it is done. Pure.
 * Spec: NBD proto.md, "Request types", "Command flags", "Error values".
 */
import { CMD, CMD_FLAG, ERRNO, EXPORT_FLAG } from './wire.ts';

/** What validation needs to know of the export and of what was negotiated. */
export interface Rules {
  readonly sizeBytes: number;
  readonly exportFlags: number;
  readonly payloadBytes: number;
  readonly hasStructuredReplies: boolean;
  readonly hasContexts: boolean;
}

/** Flags that make sense with each command; any other is refused. */
const ALLOWED_FLAGS: readonly number[] = [
  /* read         */ CMD_FLAG.df,
  /* write        */ CMD_FLAG.fua,
  /* disconnect   */ 0xffff,
  /* flush        */ 0,
  /* trim         */ CMD_FLAG.fua,
  /* cache        */ 0,
  /* write zeroes */ CMD_FLAG.fua | CMD_FLAG.noHole | CMD_FLAG.fastZero,
  /* block status */ CMD_FLAG.reqOne,
];

/** The error a request deserves, or `ERRNO.ok`. FUA is harmless with any command once it is announced, so it is let pass. */
export function validateRequest(type: number, flags: number, offset: number, length: number, rules: Rules): number {
  const allowed = ALLOWED_FLAGS[type];
  if (allowed === undefined) return ERRNO.EINVAL;
  if ((flags & ~(allowed | CMD_FLAG.fua)) !== 0) return ERRNO.EINVAL;
  if (type === CMD.disconnect) return ERRNO.ok;
  if (type === CMD.flush) return offset === 0 && length === 0 ? ERRNO.ok : ERRNO.EINVAL;
  const isChange = type === CMD.write || type === CMD.trim || type === CMD.writeZeroes;
  if (isChange && (rules.exportFlags & EXPORT_FLAG.readOnly) !== 0) return ERRNO.EPERM;
  if ((type === CMD.read || type === CMD.write) && rules.payloadBytes < length) return ERRNO.EINVAL;
  if (rules.sizeBytes < offset + length)
    return type === CMD.write || type === CMD.writeZeroes ? ERRNO.ENOSPC : ERRNO.EINVAL;
  if (length === 0 && type !== CMD.read && type !== CMD.write)
    return type === CMD.blockStatus ? ERRNO.EINVAL : ERRNO.ok;
  if (type === CMD.read && (flags & CMD_FLAG.df) !== 0 && !rules.hasStructuredReplies) return ERRNO.EINVAL;
  if (type === CMD.blockStatus && !rules.hasContexts) return ERRNO.EINVAL;
  return ERRNO.ok;
}

/** The NBD error for whatever a disk threw: by the code of our errors, or of Node's. */
export function errnoOf(error: unknown): number {
  switch ((error as { readonly code?: unknown } | null)?.code) {
    case 'NO_SPACE':
    case 'ENOSPC':
    case 'EDQUOT':
    case 'EFBIG':
      return ERRNO.ENOSPC;
    case 'READ_ONLY':
    case 'EROFS':
    case 'LEASE_LOST':
      return ERRNO.EPERM;
    case 'OUT_OF_RANGE':
      return ERRNO.EINVAL;
    case 'ENOMEM':
      return ERRNO.ENOMEM;
    case 'UNSUPPORTED':
      return ERRNO.ENOTSUP;
    case 'TOO_LARGE':
      return ERRNO.EOVERFLOW;
    case 'CLOSED':
      return ERRNO.ESHUTDOWN;
    default:
      return ERRNO.EIO;
  }
}
