/**
 * What npm has started (`npx oriel start`, `npm start`) ends with npm. npm passes a signal on to the shell that it runs us
 * in, which ends without a word to us: a gateway that nobody sees would stay, and hold its data folder.
 */
import { readFileSync } from 'node:fs';

/** How often is looked whether npm is still there, in ms. */
const EVERY_MS = 250;

/** Once npm, or the shell between, is gone, a process that npm has started is told to end in order, as by a signal. */
export function endWithNpm(env: Readonly<Record<string, string | undefined>>): void {
  // What we start ourselves is not told of npm, and may outlive us. A shell that npm has started is none of this.
  if (!/\boriel\b/.test(env['npm_lifecycle_script'] ?? '')) return;
  const above = lineage();
  const timer = setInterval(() => {
    if (lineage() === above) return;
    clearInterval(timer);
    process.kill(process.pid, 'SIGTERM');
  }, EVERY_MS);
  timer.unref();
}

/** The processes from us up to npm, as far as they can be seen. */
function lineage(): string {
  const parent = process.ppid;
  try {
    // The name in brackets may hold anything; behind the last one come the state and the parent.
    const stat = readFileSync(`/proc/${parent}/stat`, 'utf8');
    const isNpm = stat.includes('(npm');
    return isNpm ? `${parent}` : `${parent} ${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]}`;
  } catch {
    return `${parent}`;
  }
}
