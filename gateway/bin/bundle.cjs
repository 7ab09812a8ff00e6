'use strict';
// The verbs of `oriel` that only ask and answer, as a few files in place of hundreds, with what V8 has compiled of them:
// tools/bundle.mjs makes them from the build. They are used while nothing was built since; everything works without them.
const { readFileSync, statSync } = require('node:fs');
const { createRequire } = require('node:module');
const path = require('node:path');
const { Script } = require('node:vm');

const BUNDLE = path.join(__dirname, '../dist/bundle');
const PARAMETERS = 'exports, require, module, __filename, __dirname';

/** True where there is a bundle that is not older than what it was made from, and has the verb where one is given. */
function isFresh(verb) {
  try {
    const file = path.join(BUNDLE, 'bundle.json');
    const { verbs, madeFrom } = JSON.parse(readFileSync(file, 'utf8'));
    const madeAt = statSync(file).mtimeMs;
    const isOlder = (name) => (statSync(path.join(BUNDLE, name), { throwIfNoEntry: false })?.mtimeMs ?? 0) <= madeAt;
    return (verb === undefined || verbs.includes(verb)) && madeFrom.every(isOlder);
  } catch {
    return false;
  }
}

function cacheOf(file) {
  try {
    return readFileSync(`${file}.cache`);
  } catch {
    return undefined;
  }
}

/** What the bundle's entry exports. `seen` is told of each file that is loaded, now or later, and of its script. */
function loadBundle(seen = () => undefined) {
  const requireOther = createRequire(path.join(BUNDLE, 'main.js'));
  const modules = new Map();
  const load = (name) => {
    const before = modules.get(name);
    if (before !== undefined) return before.exports;
    const module = { exports: {} };
    modules.set(name, module);
    const filename = path.join(BUNDLE, name);
    const cachedData = cacheOf(filename);
    // A cache of another version of Node is refused, and the source compiled.
    const code = `(function (${PARAMETERS}) {${readFileSync(filename, 'utf8')}\n})`;
    const script = new Script(code, cachedData === undefined ? { filename } : { filename, cachedData });
    seen(filename, script);
    const requireHere = (id) => (id.startsWith('./') ? load(id.slice(2)) : requireOther(id));
    script.runInThisContext()(module.exports, requireHere, module, filename, BUNDLE);
    return module.exports;
  };
  return load('main.js');
}

module.exports = { BUNDLE, isFresh, loadBundle };
