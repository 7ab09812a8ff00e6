/**
 * Programs that we start get nothing that they do not need: no setting of ours (a database's password), no way to new
 * privileges, no capability of root's; QEMU no system call that it can do without. Guards `plainEnvironment`,
 * `confine` and `-sandbox`.
 */
import { readFileSync } from 'node:fs';
import { vmSpec } from '@oriel/hosts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processesWith, Scratch } from '../hosts/harness.ts';

const SECRET = 'postgres://oriel:canary-4711@db/oriel';
const statusOf = (pid: number): string => readFileSync(`/proc/${pid}/status`, 'utf8');

describe('a process of a VM', () => {
  let scratch: Scratch;
  beforeAll(async () => {
    process.env['ORIEL_DATABASE_URL'] = SECRET;
    scratch = await Scratch.create();
  });
  afterAll(async () => {
    delete process.env['ORIEL_DATABASE_URL'];
    await scratch.close();
  });

  test('QEMU and its TPM have no privileges, no setting of ours, and QEMU a filter of system calls', async () => {
    const disk = await scratch.toyDisk('toy');
    const driver = scratch.driver();
    await driver.connect();
    const spec = { ...scratch.bootable('vm-1', disk), hasTpm: true, hasAgent: true, hasRng: true };
    await driver.apply(vmSpec(spec)).done;
    await driver.power(vmSpec(spec).id, 'start').done;
    const processes = processesWith(scratch.runDir);
    const programs = new Set(processes.map(({ words }) => words.split(' ', 1)[0]));
    expect(programs).toEqual(new Set(['/usr/bin/qemu-system-x86_64', '/usr/bin/swtpm']));
    for (const { pid, words } of processes) {
      expect(statusOf(pid)).toMatch(/^NoNewPrivs:\s+1$/m);
      expect(statusOf(pid)).toMatch(/^CapEff:\s+0+$/m);
      expect(statusOf(pid)).toMatch(/^CapBnd:\s+/m);
      expect(readFileSync(`/proc/${pid}/environ`, 'utf8')).not.toContain('canary-4711');
      if (words.includes('qemu-system')) expect(statusOf(pid)).toMatch(/^Seccomp:\s+2$/m);
    }
    await scratch.removeAll(driver);
    await driver.close();
  });
});
