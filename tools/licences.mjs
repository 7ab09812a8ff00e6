// Lists the licence of every package that Oriel brings along, as the lock file has them, and fails where one is not on the
// list of those that are taken, where a package names none, or where the lock file does not say what its archive hashes to.
// `node tools/licences.mjs` checks, `--list` prints `licence: packages` first.
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/** SPDX names. Nothing that asks who gets a copy for more than a notice; MPL and LGPL only where listed below by name. */
const TAKEN = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'Apache-2.0',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'CC-BY-4.0',
  'Python-2.0',
  'Unlicense',
  'Zlib',
  'WTFPL',
  'OFL-1.1',
]);
/** Packages whose licence is another, each with why that is right. They are tools or files that are used as they are. */
const LOOKED_AT = {
  '@novnc/novnc': 'MPL-2.0: a file is shared back when it is changed; we change none',
  'axe-core': 'MPL-2.0: only in tests',
  lightningcss: 'MPL-2.0: only builds the pages',
};

/** @param {string} expression SPDX: `(MIT OR CC0-1.0)`, `MIT AND ISC` @returns {boolean} */
export function isTaken(expression) {
  const plain = expression.replaceAll(/[()]/g, ' ').trim();
  if (/\sAND\s/.test(plain)) return plain.split(/\sAND\s/).every(isTaken);
  return plain.split(/\sOR\s/).some((name) => TAKEN.has(name.trim()));
}

/** @param {Record<string, any>} packages of the lock file @param {string} root @returns {{ licences: Map<string, string[]>, complaints: string[] }} */
export function judge(packages, root) {
  const licences = new Map();
  const complaints = [];
  for (const [where, entry] of Object.entries(packages)) {
    const name = entry.name ?? where.split('node_modules/').at(-1) ?? '';
    if (!where.includes('node_modules/') || entry.link === true) continue; // Our own.
    if (entry.resolved !== undefined && !(entry.integrity ?? '').startsWith('sha512-'))
      complaints.push(`${where}: the lock file has no sha512 of it (tools/complete-lock.mjs)`);
    // A binary for another platform: it comes with the package that names it, whose licence is looked at.
    if (entry.optional === true && entry.license === undefined && !existsSync(path.join(root, where))) continue;
    const licence = entry.license ?? licenceIn(path.join(root, where, 'package.json'));
    const base = Object.keys(LOOKED_AT).find((one) => name === one || name.startsWith(`${one}-`));
    licences.set(licence ?? 'none', [...(licences.get(licence ?? 'none') ?? []), name]);
    if (licence === undefined) complaints.push(`${where}: names no licence`);
    else if (!isTaken(licence) && base === undefined) complaints.push(`${where}: ${licence} is not taken`);
  }
  return { licences, complaints };
}

/** @param {string} file @returns {string | undefined} */
function licenceIn(file) {
  if (!existsSync(file)) return undefined;
  const { license, licenses } = JSON.parse(readFileSync(file, 'utf8'));
  return license?.type ?? license ?? licenses?.[0]?.type;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = fileURLToPath(new URL('..', import.meta.url));
  const { packages } = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const { licences, complaints } = judge(packages, root);
  if (process.argv.includes('--list'))
    for (const [licence, names] of [...licences].toSorted(([a], [b]) => (a < b ? -1 : 1)))
      console.log(`${licence}: ${[...new Set(names)].toSorted((a, b) => (a < b ? -1 : 1)).join(', ')}`);
  for (const complaint of complaints) console.error(complaint);
  const count = [...licences.values()].flat().length;
  if (complaints.length === 0)
    console.log(`${count} packages, each with a licence that is taken and a hash in the lock file`);
  process.exitCode = complaints.length === 0 ? 0 : 1;
}
