/**
 * Programs without what they do not need: no way to new privileges, and of root's capabilities those that are named. By
 * setpriv of util-linux, which takes them off and then becomes the program, so that its process is the one we started.
 * Spec: setpriv(1), capabilities(7), prctl(2) PR_SET_NO_NEW_PRIVS.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { plainEnvironment } from './environment.ts';

const run = promisify(execFile);
const SETPRIV = '/usr/bin/setpriv';
const PROBE_MS = 5_000;

/** Linux' names in small letters, without `cap_`. */
export type Capability = 'chown' | 'dac_override' | 'dac_read_search' | 'fowner' | 'net_admin';

export interface Needs {
  /** Of root's capabilities; those of another account are none. Default: none. */
  readonly capabilities?: readonly Capability[];
  /** A helper that the program starts has privileges of its own (setuid). */
  readonly hasHelper?: boolean;
}

/** How far this machine lets us go. */
export type Confinement = 'all' | 'no-new-privileges' | 'none';

let found: Promise<Confinement> | undefined;

/** Asked once: whether setpriv is there, and whether we may take capabilities away (in some containers root may not). */
export function findConfinement(): Promise<Confinement> {
  found ??= probe();
  return found;
}

async function probe(): Promise<Confinement> {
  const levels: readonly Confinement[] =
    process.getuid?.() === 0 ? ['all', 'no-new-privileges'] : ['no-new-privileges'];
  for (const level of levels) {
    const [program = '', ...args] = confine(level, ['/bin/true']);
    const options = { timeout: PROBE_MS, env: plainEnvironment(process.env) };
    const isThere = await run(program, args, options).then(
      () => true,
      () => false,
    );
    if (isThere) return level;
  }
  return 'none';
}

/** The command line that runs this one confined. PURE. */
export function confine(level: Confinement, command: readonly string[], needs: Needs = {}): readonly string[] {
  const { capabilities = [], hasHelper = false } = needs;
  const flags = [
    ...(level === 'none' || hasHelper ? [] : ['--no-new-privs']),
    ...(level === 'all' && !hasHelper ? [`--bounding-set=${setOf(capabilities)}`, '--inh-caps=-all'] : []),
  ];
  return flags.length === 0 ? command : [SETPRIV, ...flags, '--', ...command];
}

function setOf(capabilities: readonly Capability[]): string {
  return ['-all', ...capabilities.map((name) => `+${name}`)].join(',');
}
