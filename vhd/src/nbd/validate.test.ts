import { expect, test } from 'vitest';
import { VhdError } from '../errors.ts';
import { errnoOf, type Rules, validateRequest } from './validate.ts';
import { CMD, CMD_FLAG, ERRNO, EXPORT_FLAG } from './wire.ts';

const RULES: Rules = {
  sizeBytes: 1 << 20,
  exportFlags: EXPORT_FLAG.hasFlags,
  payloadBytes: 1 << 16,
  hasStructuredReplies: true,
  hasContexts: true,
};
const READ_ONLY: Rules = { ...RULES, exportFlags: EXPORT_FLAG.hasFlags | EXPORT_FLAG.readOnly };
const PLAIN: Rules = { ...RULES, hasStructuredReplies: false, hasContexts: false };

test.for([
  { it: 'a read', type: CMD.read, at: 0, length: 4096, error: ERRNO.ok },
  { it: 'a read of the last byte', type: CMD.read, at: (1 << 20) - 1, length: 1, error: ERRNO.ok },
  { it: 'a read beyond the end', type: CMD.read, at: (1 << 20) - 1, length: 2, error: ERRNO.EINVAL },
  { it: 'a read far beyond the end', type: CMD.read, at: 2 ** 64, length: 1, error: ERRNO.EINVAL },
  { it: 'a read above the limit', type: CMD.read, at: 0, length: (1 << 16) + 1, error: ERRNO.EINVAL },
  { it: 'a write beyond the end', type: CMD.write, at: (1 << 20) - 1, length: 2, error: ERRNO.ENOSPC },
  { it: 'zeroes beyond the end', type: CMD.writeZeroes, at: 0, length: (1 << 20) + 1, error: ERRNO.ENOSPC },
  { it: 'a trim beyond the end', type: CMD.trim, at: 0, length: (1 << 20) + 1, error: ERRNO.EINVAL },
  { it: 'zeroes above the payload limit', type: CMD.writeZeroes, at: 0, length: 1 << 20, error: ERRNO.ok },
  { it: 'a write, read-only', type: CMD.write, at: 0, length: 1, rules: READ_ONLY, error: ERRNO.EPERM },
  { it: 'zeroes, read-only', type: CMD.writeZeroes, at: 0, length: 1, rules: READ_ONLY, error: ERRNO.EPERM },
  { it: 'a trim, read-only', type: CMD.trim, at: 0, length: 1, rules: READ_ONLY, error: ERRNO.EPERM },
  { it: 'a flush, read-only', type: CMD.flush, at: 0, length: 0, rules: READ_ONLY, error: ERRNO.ok },
  { it: 'a flush of a range', type: CMD.flush, at: 0, length: 1, error: ERRNO.EINVAL },
  { it: 'a write with FUA', type: CMD.write, flags: CMD_FLAG.fua, at: 0, length: 1, error: ERRNO.ok },
  { it: 'a read with a flag of zeroes', type: CMD.read, flags: CMD_FLAG.noHole, at: 0, length: 1, error: ERRNO.EINVAL },
  {
    it: 'fast zeroes without holes',
    type: CMD.writeZeroes,
    flags: CMD_FLAG.fastZero | CMD_FLAG.noHole,
    at: 0,
    length: 1,
    error: ERRNO.ok,
  },
  { it: 'an unknown flag', type: CMD.write, flags: 1 << 9, at: 0, length: 1, error: ERRNO.EINVAL },
  { it: 'an unknown command', type: 42, at: 0, length: 1, error: ERRNO.EINVAL },
  { it: 'resize, which is not announced', type: 8, at: 0, length: 1, error: ERRNO.EINVAL },
  { it: 'block status without contexts', type: CMD.blockStatus, at: 0, length: 1, rules: PLAIN, error: ERRNO.EINVAL },
  { it: 'block status of nothing', type: CMD.blockStatus, at: 0, length: 0, error: ERRNO.EINVAL },
  {
    it: 'an unfragmented read without structured replies',
    type: CMD.read,
    flags: CMD_FLAG.df,
    at: 0,
    length: 1,
    rules: PLAIN,
    error: ERRNO.EINVAL,
  },
])('$it: error $error', ({ type, flags, at, length, rules, error }) => {
  expect(validateRequest(type, flags ?? 0, at, length, rules ?? RULES)).toBe(error);
});

test.for([
  { error: new VhdError('NO_SPACE', ''), errno: ERRNO.ENOSPC },
  { error: new VhdError('READ_ONLY', ''), errno: ERRNO.EPERM },
  { error: new VhdError('LEASE_LOST', ''), errno: ERRNO.EPERM },
  { error: new VhdError('UNSUPPORTED', ''), errno: ERRNO.ENOTSUP },
  { error: new VhdError('IO', ''), errno: ERRNO.EIO },
  { error: Object.assign(new Error('full'), { code: 'ENOSPC' }), errno: ERRNO.ENOSPC },
  { error: new TypeError('a mistake of ours'), errno: ERRNO.EIO },
  { error: undefined, errno: ERRNO.EIO },
])('the client is told $errno for $error', ({ error, errno }) => {
  expect(errnoOf(error)).toBe(errno);
});
