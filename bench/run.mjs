// `npm run bench -- NAME [--rounds N] [--json]`: runs one benchmark beside its peers and prints what came out.
// A benchmark is a module in this folder with `title`, `packages` (Debian packages of its peers, installed here and
// never by `npm start`) and `run({ rounds, log })`, which gives rows. It measures; it never fails a build.
import { readdirSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { parseArgs } from 'node:util';
import { ensurePackages } from '../tools/setup.mjs';

/**
 * @typedef {object} Row
 * @property {string} measure what was measured
 * @property {number} value ours, in `unit`
 * @property {string} unit
 * @property {string} [peer] what it was measured against in the same run
 * @property {number} [peerValue] the peer's, in `unit`
 * @property {number} [ratio] ours against the peer, in the sense that `target` states
 * @property {string} [target] such as `>= 1.5` (of the ratio) or `<= 50 ms`
 * @property {boolean} [met]
 */

const LEAST_ROUNDS = 3;
const NAMES = readdirSync(import.meta.dirname ?? new URL('.', import.meta.url))
  .filter((file) => file.endsWith('.mjs') && file !== 'run.mjs' && !file.includes('-'))
  .map((file) => file.slice(0, -'.mjs'.length));

function usage() {
  console.error(`usage: npm run bench -- ${NAMES.join('|')} [--rounds N] [--json]`);
  process.exit(64);
}

const shown = (value) => (value === undefined ? '' : Number(value.toPrecision(3)).toString());

/** @param {Row[]} rows */
function printTable(rows) {
  const header = ['measure', 'ours', 'unit', 'peer', 'peer has', 'ratio', 'target', 'met'];
  const lines = rows.map((row) => [
    row.measure,
    shown(row.value),
    row.unit,
    row.peer ?? '',
    shown(row.peerValue),
    shown(row.ratio),
    row.target ?? '',
    row.met === undefined ? '' : row.met ? 'yes' : 'NO',
  ]);
  console.log(`| ${header.join(' | ')} |\n|${header.map(() => '---|').join('')}`);
  for (const line of lines) console.log(`| ${line.join(' | ')} |`);
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { rounds: { type: 'string', default: String(LEAST_ROUNDS) }, json: { type: 'boolean', default: false } },
});
const [name] = positionals;
const rounds = Number(values.rounds);
if (name === undefined || !NAMES.includes(name)) usage();
if (!Number.isInteger(rounds) || rounds < LEAST_ROUNDS) {
  console.error(`oriel bench: --rounds takes a whole number from ${LEAST_ROUNDS}`);
  process.exit(64);
}

const bench = await import(new URL(`${name}.mjs`, import.meta.url).href);
if (0 < bench.packages.length) ensurePackages('bench');
const machine = { node: process.versions.node, cpu: cpus()[0]?.model, cores: cpus().length, memoryBytes: totalmem() };
console.error(`${bench.title}: ${rounds} rounds, Node ${machine.node}, ${machine.cores} cores`);
const rows = await bench.run({ rounds, log: (line) => console.error(`  ${line}`) });
printTable(rows);
if (values.json) console.log(JSON.stringify({ bench: name, machine, rows }));
