import { expect, test } from 'vitest';
import { clipboardWays } from './clipboard.ts';

test.for([
  { policy: 'both', mode: 'control', canSend: true, canReceive: true },
  { policy: 'in', mode: 'control', canSend: true, canReceive: false },
  { policy: 'out', mode: 'control', canSend: false, canReceive: true },
  { policy: 'off', mode: 'control', canSend: false, canReceive: false },
  { policy: 'both', mode: 'view', canSend: false, canReceive: false },
] as const)('clipboard $policy in mode $mode', ({ policy, mode, canSend, canReceive }) => {
  expect(clipboardWays(policy, mode)).toEqual({ canSend, canReceive });
});
