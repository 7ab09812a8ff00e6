// The set-up step behind `npm start`, `npm test` and `npm run bench`: makes a fresh machine ready and is quick on a
// ready one. It runs before anything is installed, so it has no dependencies.
//   node tools/setup.mjs start|test|bench
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { packages } from './packages.mjs';

const { isFresh } = createRequire(import.meta.url)('../gateway/bin/bundle.cjs');
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const OLDEST_NODE = [20, 19];

/** Ends the set-up with the one line that says what to do. */
class SetupError extends Error {}

/** Runs a program without a shell and fails with `hint` where it fails. Its output goes to the terminal. */
function run(program, args, hint, env = {}) {
  const result = spawnSync(program, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...env } });
  if (result.status !== 0) throw new SetupError(hint);
}

/** What is wrong with a version of Node, in a line, or nothing. */
export function complaintAboutNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isOld = major < OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor < OLDEST_NODE[1]);
  return isOld ? `Node ${version} is too old: install Node ${OLDEST_NODE.join('.')} or newer` : undefined;
}

/**
 * What to do about packages of which some are missing: nothing, install them, or say which. `has` tells whether a path
 * is there; only root on Debian installs.
 */
export function planPackages(wanted, { has, isRoot }) {
  const missing = wanted.filter((one) => !has(one.probe));
  if (missing.length === 0) return { do: 'nothing' };
  const names = [...new Set(missing.map((one) => one.name))];
  if (isRoot && has('/usr/bin/apt-get')) return { do: 'install', names, missing };
  return { do: 'say', line: `missing system packages; install them with: sudo apt-get install ${names.join(' ')}` };
}

/** Installs what is missing of a group where this is root on Debian; otherwise names the packages and stops. */
export function ensurePackages(group, { isRequired = true } = {}) {
  const plan = planPackages(packages[group], { has: existsSync, isRoot: process.getuid?.() === 0 });
  if (plan.do === 'say' && isRequired) throw new SetupError(plan.line);
  if (plan.do !== 'install') return;
  console.log('oriel: installing system packages:');
  for (const one of plan.missing) console.log(`  ${one.name}: ${one.why}`);
  // RUNLEVEL=1 keeps Debian from starting the servers among them: the tests start their own.
  const env = { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' };
  const names = plan.names;
  const hint = `could not install ${names.join(' ')}; try: apt-get update && apt-get install ${names.join(' ')}`;
  run('apt-get', ['update', '-qq'], hint, env);
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], hint, env);
}

/** True where node_modules holds exactly what the lock file asks for (npm keeps its own copy of the lock in there). */
function hasLockedModules() {
  try {
    const wanted = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')).packages;
    const present = JSON.parse(readFileSync(join(ROOT, 'node_modules/.package-lock.json'), 'utf8')).packages;
    return Object.entries(wanted).every(
      ([path, one]) =>
        !path.startsWith('node_modules/') || one.optional || one.link || present[path]?.version === one.version,
    );
  } catch {
    return false;
  }
}

function ensureModules() {
  if (!hasLockedModules()) {
    ensurePackages('build', { isRequired: false });
    console.log('oriel: installing the Node packages of package-lock.json');
    run('npm', ['ci', '--no-fund', '--no-audit'], 'npm ci failed: its own message above says why');
  }
  // The SQLite binding is built for one Node version; after a change of Node it must be built again.
  const probe = ['-e', "new (require('better-sqlite3'))(':memory:').close()"];
  if (spawnSync(process.execPath, probe, { cwd: ROOT, stdio: 'ignore' }).status === 0) return;
  ensurePackages('build', { isRequired: false });
  console.log('oriel: building the SQLite binding for this Node');
  const hint = 'the SQLite binding does not build; install its tools with: sudo apt-get install python3 make g++';
  run('npm', ['rebuild', 'better-sqlite3'], hint);
}

/** The newest change below a folder, in ms since 1970. */
function newestChange(path) {
  const stat = statSync(path);
  if (!stat.isDirectory()) return stat.mtimeMs;
  return Math.max(0, ...readdirSync(path).map((name) => newestChange(join(path, name))));
}

/** Builds what is stale: `tsc -b` knows by itself, for the web pages the newest source is compared with the result. */
function build() {
  const bin = (name) => join(ROOT, 'node_modules/.bin', name);
  run(
    bin('tsc'),
    ['-b', 'machine', 'vhd', 'hosts', 'gateway/api', 'gateway/relay', 'gateway'],
    'the build failed: the compiler says where, above',
  );
  if (!isFresh())
    run(
      process.execPath,
      [join(ROOT, 'tools/bundle.mjs')],
      'the bundle of the oriel command cannot be made, see above',
    );
  const page = join(ROOT, 'gateway/dist/web/index.html');
  const sources = ['gateway/web', 'gateway/api', 'package-lock.json'].map((path) => newestChange(join(ROOT, path)));
  if (existsSync(page) && Math.max(...sources) < statSync(page).mtimeMs) return;
  console.log('oriel: building the web pages');
  run(bin('vite'), ['build', 'gateway/web', '--logLevel', 'warn'], 'the build of the web pages failed, see above');
}

function main() {
  const purpose = process.argv[2] ?? 'start';
  try {
    const complaint = complaintAboutNode(process.versions.node);
    if (complaint !== undefined) throw new SetupError(complaint);
    ensurePackages('start');
    if (purpose !== 'start') ensurePackages(purpose);
    ensureModules();
    build();
  } catch (error) {
    if (!(error instanceof SetupError)) throw error;
    console.error(`oriel: ${error.message}`);
    process.exitCode = 1;
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
