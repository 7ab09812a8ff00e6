/** The set-up step: what it decides on machines that are not this one, and that it is quiet on one that is ready. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { packages } from '../tools/packages.mjs';
import { complaintAboutNode, planPackages } from '../tools/setup.mjs';

const has = (present: readonly string[]) => (path: string) => present.includes(path);
const QEMU = { name: 'qemu-system-x86', probe: '/q', why: 'runs the VMs' };
const TOOLS = { name: 'qemu-utils', probe: '/u', why: 'reads qcow2' };

describe('the set-up step', () => {
  test.for([
    { version: '18.20.4', isOld: true },
    { version: '20.18.3', isOld: true },
    { version: '20.19.0', isOld: false },
    { version: '24.1.0', isOld: false },
  ])('Node $version is too old: $isOld', ({ version, isOld }) => {
    const complaint = complaintAboutNode(version);
    expect(complaint !== undefined).toBe(isOld);
    if (isOld) expect(complaint).toMatch(/^Node .* is too old: install Node 20\.19 or newer$/);
  });

  test.for([
    { it: 'has all', isRoot: true, present: ['/q', '/u'], plan: { do: 'nothing' } },
    {
      it: 'is root on Debian',
      isRoot: true,
      present: ['/u', '/usr/bin/apt-get'],
      plan: { do: 'install', names: ['qemu-system-x86'], missing: [QEMU] },
    },
    {
      it: 'is root elsewhere',
      isRoot: true,
      present: ['/q'],
      plan: { do: 'say', line: 'missing system packages; install them with: sudo apt-get install qemu-utils' },
    },
    {
      it: 'is not root',
      isRoot: false,
      present: ['/usr/bin/apt-get'],
      plan: {
        do: 'say',
        line: 'missing system packages; install them with: sudo apt-get install qemu-system-x86 qemu-utils',
      },
    },
  ])('on a machine that $it', ({ isRoot, present, plan }) => {
    expect(planPackages([QEMU, TOOLS], { has: has(present), isRoot })).toEqual(plan);
  });

  test('every package says what it is for and how to see that it is there', () => {
    for (const one of Object.values(packages).flat()) {
      expect(one.probe).toMatch(/^\//);
      expect(one.why.length).toBeGreaterThan(10);
    }
  });

  test('a machine that is ready is left alone, without a word', () => {
    const setup = fileURLToPath(new URL('../tools/setup.mjs', import.meta.url));
    const ran = spawnSync(process.execPath, [setup, 'test'], { encoding: 'utf8' });
    expect(ran).toMatchObject({ status: 0, stdout: '', stderr: '' });
  });
});
