/** A shell in a folder of its own, where `oriel` is the built command: what people type is what is tried. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const BIN = fileURLToPath(new URL('../../gateway/bin/oriel.mjs', import.meta.url));

/** How a line of shell ended. */
export interface Ended {
  readonly status: number;
  readonly out: string;
  readonly err: string;
}

/** A folder with a shell in it. */
export interface Shell {
  readonly folder: string;
  /** Runs a line; `status` is that of its last command, or of the first of a pipe that failed. */
  run(line: string): Ended;
  /** Starts the command without waiting. It is killed at the end of the test. */
  start(...args: readonly string[]): ChildProcess;
}

export function shellIn(parent: string = tmpdir()): Shell {
  const folder = mkdtempSync(join(parent, 'oriel-shell-'));
  const bin = mkdtempSync(join(tmpdir(), 'oriel-bin-'));
  // A program and no function of the shell: `$!` and signals mean the command itself.
  writeFileSync(join(bin, 'oriel'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, { mode: 0o755 });
  onTestFinished(() => {
    for (const made of [folder, bin]) rmSync(made, { recursive: true, force: true });
  });
  return {
    folder,
    run(line) {
      const script = `set -o pipefail\n${line}`;
      const env = { ...process.env, PATH: `${bin}:${process.env['PATH']}` };
      const how = { cwd: folder, env, encoding: 'utf8', timeout: 60_000 } as const;
      const { status, stdout, stderr } = spawnSync('bash', ['-c', script], how);
      return { status: status ?? -1, out: stdout, err: stderr };
    },
    start(...args) {
      const child = spawn(process.execPath, [BIN, ...args], { cwd: folder, stdio: ['pipe', 'pipe', 'pipe'] });
      child.stdin.on('error', () => undefined); // It may end while it is written to.
      onTestFinished(() => void child.kill('SIGKILL'));
      return child;
    },
  };
}
