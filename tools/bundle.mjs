// Puts the verbs of `oriel` that only ask and answer into a few files: to load hundreds of small modules takes several times
// as long as what such a verb does. It is made from what the compiler has built, so it is the same code; beside each file
// lies what V8 compiled of it while the verbs were tried (gateway/bin/bundle.cjs loads both).
//   node tools/bundle.mjs
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { rolldown } from 'rolldown';

const { BUNDLE, loadBundle } = createRequire(import.meta.url)('../gateway/bin/bundle.cjs');
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const ENTRY = join(ROOT, 'gateway/dist/src/cli/main.js');
const MANIFEST = join(BUNDLE, 'bundle.json');

/** What is in it. Verbs that start servers, threads or other programs of ours are not: those find their files by place. */
const VERBS =
  'vhd vm desktop host storage image template disk backup disc task session user group assign policy audit login logout profile'.split(
    ' ',
  );
/** Loaded by other verbs alone, so never from here. */
const ELSEWHERE = /\/cli\/local-verbs\/|\/cli\/completion\.js$|\/vhd\/dist\/cli\/disks\.js$/;
/** What says that something was built or installed since: the compiler's notes, and the list of packages. */
const MADE_FROM = [
  'machine/tsconfig.tsbuildinfo',
  'vhd/tsconfig.tsbuildinfo',
  'gateway/dist/tsconfig.tsbuildinfo',
  'gateway/dist/api/tsconfig.tsbuildinfo',
  'package-lock.json',
  'tools/bundle.mjs',
];

/** Files that are found by where a module lies are still found from there. */
const modulesKnowTheirPlace = {
  name: 'modules-know-their-place',
  transform(code, id) {
    if (!code.includes('import.meta.url')) return null;
    // Not by `require`: a module may call its own so.
    const place = `process.getBuiltinModule('node:path').join(__dirname, ${JSON.stringify(relative(BUNDLE, id))})`;
    const url = `process.getBuiltinModule('node:url').pathToFileURL(${place}).href`;
    return { code: code.replaceAll('import.meta.url', url), map: null };
  },
};

const verbsElsewhere = {
  name: 'verbs-elsewhere',
  async resolveId(source, importer) {
    const found = importer === undefined ? null : await this.resolve(source, importer, { skipSelf: true });
    return found !== null && ELSEWHERE.test(found.id) ? { id: found.id, external: true } : null;
  },
};

/** Writes the bundle. While it is written there is none. */
async function makeBundle() {
  rmSync(BUNDLE, { recursive: true, force: true });
  mkdirSync(BUNDLE, { recursive: true });
  const plugins = [verbsElsewhere, modulesKnowTheirPlace];
  const bundle = await rolldown({ input: { main: ENTRY }, platform: 'node', plugins, logLevel: 'warn' });
  await bundle.write({
    dir: BUNDLE,
    format: 'cjs',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    minify: { compress: false, mangle: false },
  });
  await bundle.close();
  // Node takes a `.js` for what the nearest package.json says.
  writeFileSync(join(BUNDLE, 'package.json'), '{ "type": "commonjs" }\n');
  tryVerbs();
  const madeFrom = MADE_FROM.map((name) => join(ROOT, name)).filter((name) => existsSync(name));
  const manifest = { verbs: VERBS, madeFrom: madeFrom.map((name) => relative(BUNDLE, name)) };
  writeFileSync(`${MANIFEST}.new`, `${JSON.stringify(manifest)}\n`);
  renameSync(`${MANIFEST}.new`, MANIFEST);
}

/** Runs a few verbs, each in a process of its own, and keeps what V8 compiled for them: the next adds to it. */
function tryVerbs() {
  const folder = mkdtempSync(join(tmpdir(), 'oriel-bundle-'));
  const env = { ...process.env, ORIEL_DATA: folder, ORIEL_PROFILES: join(folder, 'profiles.json') };
  try {
    for (const line of ['vhd create a.vhd --size 4M', 'vhd info a.vhd', 'vhd convert a.vhd a.raw', 'vm list']) {
      const args = [fileURLToPath(import.meta.url), '--try', ...line.split(' ')];
      spawnSync(process.execPath, args, { cwd: folder, env, stdio: 'ignore' });
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One verb from the bundle; at its end the caches are written. */
async function tryVerb(words) {
  const scripts = new Map();
  const { main } = loadBundle((file, script) => scripts.set(file, script));
  process.once('exit', () => {
    for (const [file, script] of scripts) writeFileSync(`${file}.cache`, script.createCachedData());
  });
  await main([process.execPath, 'oriel', ...words]);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  if (process.argv[2] === '--try') await tryVerb(process.argv.slice(3));
  else await makeBundle();
}
