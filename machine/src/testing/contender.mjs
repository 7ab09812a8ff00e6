// One of several processes that want the same lock. For each line `take` on its input it says `got` or `held`; `give`
// gives it back. With the argument `churn` it takes and gives without end, and says `broken` where it was not alone.
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { isAlive, refOf, takeOwnerLock } from '../../dist/index.js';

const [file, mode] = process.argv.slice(2);
const say = (word) => process.stdout.write(`${word}\n`);
const noLink = () => {
  throw Object.assign(new Error('no hard links'), { code: 'EPERM' });
};
let lock;

async function take() {
  try {
    lock = await (mode === 'plain' ? takeOwnerLock(file, {}, noLink) : takeOwnerLock(file));
    return true;
  } catch (error) {
    if (error.code !== 'HELD') say(`error ${error.stack}`);
    return false;
  }
}

/** The owner lays a witness down; whoever finds one of a process that lives was let in beside it. */
function isAlone() {
  const witness = `${file}-witness`;
  try {
    writeFileSync(witness, JSON.stringify(refOf(process.pid)), { flag: 'wx' });
  } catch {
    const other = JSON.parse(readFileSync(witness, 'utf8') || 'null');
    if (other !== null && isAlive(other)) return false;
    writeFileSync(witness, JSON.stringify(refOf(process.pid)));
  }
  rmSync(witness);
  return true;
}

async function churn() {
  for (;;) {
    if (await take()) {
      if (!isAlone()) say('broken');
      lock.release();
      say('got');
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 3));
  }
}

if (mode === 'churn') await churn();
say('ready');
for await (const line of createInterface(process.stdin)) {
  if (line === 'take') say((await take()) ? 'got' : 'held');
  if (line === 'give') lock.release();
}
