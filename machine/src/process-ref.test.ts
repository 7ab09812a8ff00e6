import { spawn } from 'node:child_process';
import { describe, expect, test } from 'vitest';
import { isAlive, ownRef, parseStat, refOf, statOf } from './process-ref.ts';

describe('a process reference', () => {
  test('is alive while its process is, and not when that has ended and nobody has waited for it', async () => {
    const child = spawn('sleep', ['60']);
    const pid = child.pid as number;
    const ref = refOf(pid);
    expect(ref !== undefined && isAlive(ref)).toBe(true);
    // A stopped shell does not wait for its child: the child is a zombie then.
    const shell = spawn('sh', ['-c', 'sleep 0 & echo $!; kill -STOP $$'], { stdio: ['ignore', 'pipe', 'ignore'] });
    const zombie = Number(await new Promise<Buffer>((resolve) => shell.stdout.once('data', resolve)));
    await expect.poll(() => statOf(zombie)?.state).toBe('Z');
    expect(refOf(zombie)).toBeUndefined();
    shell.kill('SIGKILL');
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    expect(ref !== undefined && isAlive(ref)).toBe(false);
  });

  test.for([
    { it: 'another start time', change: { startTicks: 1 } },
    { it: 'another boot', change: { bootId: 'before' } },
  ])('with $it is another process', ({ change }) => {
    expect(isAlive(ownRef())).toBe(true);
    expect(isAlive({ ...ownRef(), ...change })).toBe(false);
  });

  test('is read behind a program name that holds anything', () => {
    const after = `S 1 1 1 0 -1 0 0 0 0 0 7 8 0 0 20 0 1 0 4711 0 25 0`;
    expect(parseStat(`12 (a) b) R (c) ${after}`)).toEqual({
      state: 'S',
      startTicks: 4711,
      cpuTicks: 15,
      residentPages: 25,
    });
  });
});
