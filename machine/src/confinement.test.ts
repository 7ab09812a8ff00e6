import { execFileSync } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { confine, findConfinement } from './confinement.ts';
import { nodeEnvironment, plainEnvironment } from './environment.ts';

const COMMAND = ['/bin/grep', '-E', '^(CapEff|CapBnd|NoNewPrivs)', '/proc/self/status'];

describe('a confined program', () => {
  test.for([
    { level: 'all', needs: {}, flags: ['--no-new-privs', '--bounding-set=-all', '--inh-caps=-all'] },
    {
      level: 'all',
      needs: { capabilities: ['net_admin'] },
      flags: ['--no-new-privs', '--bounding-set=-all,+net_admin', '--inh-caps=-all'],
    },
    { level: 'all', needs: { hasHelper: true }, flags: undefined },
    { level: 'no-new-privileges', needs: {}, flags: ['--no-new-privs'] },
    { level: 'none', needs: {}, flags: undefined },
  ] as const)('at level $level with $needs', ({ level, needs, flags }) => {
    const expected = flags === undefined ? COMMAND : ['/usr/bin/setpriv', ...flags, '--', ...COMMAND];
    expect(confine(level, COMMAND, needs)).toEqual(expected);
  });

  test('has no capability of ours and gets no new one', async () => {
    const [program = '', ...args] = confine(await findConfinement(), COMMAND);
    const status = execFileSync(program, args, { encoding: 'utf8' });
    expect(status).toMatch(/^NoNewPrivs:\s+1$/m);
    expect(status).toMatch(/^CapEff:\s+0+$/m);
  });
});

describe('the environment of a program', () => {
  const from = {
    PATH: '/bin',
    LC_ALL: 'C',
    TZ: undefined,
    NODE_OPTIONS: '--x',
    ORIEL_DATABASE_URL: 'postgres://u:secret@h/d',
    AWS_SECRET_ACCESS_KEY: 'secret',
    LC_: 'secret',
    LD_PRELOAD: 'secret',
  };
  test('holds what is named and nothing of settings', () => {
    expect(plainEnvironment(from)).toEqual({ PATH: '/bin', LC_ALL: 'C' });
    expect(nodeEnvironment(from)).toEqual({ PATH: '/bin', LC_ALL: 'C', NODE_OPTIONS: '--x' });
  });
});
