#!/usr/bin/env node
// The `oriel` command. Plain JavaScript of long ago until the version of Node is known, so that an old one says so.
const [major, minor] = process.versions.node.split('.').map(Number);
if (major < 20 || (major === 20 && minor < 19)) {
  process.stderr.write(`oriel: Node ${process.versions.node} is too old; install Node 20.19 or newer\n`);
  process.exit(1);
}
const entry = new URL('../dist/src/cli/main.js', import.meta.url);
const { existsSync } = await import('node:fs');
if (!existsSync(entry)) {
  process.stderr.write('oriel: it is not built yet; run npm run setup\n');
  process.exit(1);
}
const { main } = await import(entry.href);
process.exitCode = await main(process.argv);
