#!/usr/bin/env node
// The `oriel` command. Plain JavaScript of long ago until the version of Node is known, so that an old one says so.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`oriel: Node ${process.versions.node} is too old; install Node 20.19 or newer\n`);
  process.exit(1);
}

/** `main` of the command: from the bundle where that has the verb, else from the build. */
async function loadMain() {
  const { createRequire } = process.getBuiltinModule('node:module'); // An import would be loaded before the version is looked at.
  const require = createRequire(import.meta.url);
  const { isFresh, loadBundle } = require('./bundle.cjs');
  if (isFresh(process.argv[2] ?? '')) return loadBundle().main;
  const entry = new URL('../dist/src/cli/main.js', import.meta.url);
  if (!require('node:fs').existsSync(entry)) {
    process.stderr.write('oriel: it is not built yet; run npm run setup\n');
    process.exit(1);
  }
  return (await import(entry.href)).main;
}

const main = await loadMain();
process.exitCode = await main(process.argv);
