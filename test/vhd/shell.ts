/** A shell in a folder of its own, where `oriel` is the built command: what people type is what is tried. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
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
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return {
    folder,
    run(line) {
      const script = `set -o pipefail; oriel() { "${process.execPath}" "${BIN}" "$@"; }\n${line}`;
      const { status, stdout, stderr } = spawnSync('bash', ['-c', script], { cwd: folder, encoding: 'utf8' });
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
