import { describe, expect, test } from 'vitest';
import { stopReason } from './end.ts';

const byGuest = { guest: true, reason: 'guest-shutdown' };
const bySignal = { guest: false, reason: 'host-signal' };

describe('why a VM has stopped', () => {
  test.for([
    { intent: 'requested', shutdown: byGuest, hasPidFile: false, is: 'requested' },
    { intent: 'forced', shutdown: undefined, hasPidFile: true, is: 'forced' },
    { intent: undefined, shutdown: byGuest, hasPidFile: true, is: 'guest' },
    { intent: undefined, shutdown: bySignal, hasPidFile: false, is: 'died' },
    { intent: undefined, shutdown: undefined, hasPidFile: true, is: 'died' },
    { intent: undefined, shutdown: undefined, hasPidFile: false, is: 'guest' },
  ] as const)('$intent, $shutdown, pid file $hasPidFile: $is', ({ intent, shutdown, hasPidFile, is }) => {
    expect(stopReason(intent, shutdown, hasPidFile)).toBe(is);
  });
});
