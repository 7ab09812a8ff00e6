/** Content is never changed, lost or guessed without a word: clones nobody sees, files cut short, merges cut off. */
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test, vi } from 'vitest';
import { type Shell, shellIn } from './shell.ts';

/** Many commands one after another, on a machine that may do much besides. */
vi.setConfig({ testTimeout: 180_000 });

const BASE = `head -c 6M /dev/urandom > r.raw && oriel vhd convert r.raw base.vhd`;

/** Writes something into an image, over NBD. */
function write(name: string, pattern: number): string {
  return `oriel vhd serve ${name} --socket $PWD/nbd > up & server=$!
    until [ -s up ]; do sleep 0.05; done
    qemu-io -f raw -c 'write -P ${pattern} 1M 64k' nbd+unix:///?socket=$PWD/nbd > /dev/null
    kill $server; wait $server; rm up`;
}

test.for([
  { it: 'in another folder', clone: 'w/b.vhd' },
  { it: 'under a name without an ending', clone: 'v/b', isSeen: true },
])('a merge changes nothing for a clone $it', ({ clone, isSeen = false }) => {
  const shell = shellIn();
  shell.run(`mkdir t v w; ${BASE}; mv base.vhd t/; oriel vhd create v/a.vhd --parent t/base.vhd;
    oriel vhd create ${clone} --parent t/base.vhd --parents t; ${write('v/a.vhd --parents t', 7)}`);
  const folders = isSeen ? '--parents t --parents v' : '--parents t';
  const merged = shell.run(`oriel vhd merge v/a.vhd ${folders}`);
  const read = shell.run(`oriel vhd hash ${clone} --parents t`);
  if (isSeen) {
    expect(merged).toMatchObject({ status: 1, err: expect.stringContaining('(HAS_CHILDREN)') });
    expect(read.status).toBe(0);
  } else {
    expect(merged.status).toBe(0);
    expect(read).toMatchObject({ status: 1, out: '' });
    expect(read.err).toContain('(PARENT_MISMATCH)');
    for (const name of ['t/base.vhd', 'w/b.vhd']) expect(read.err).toContain(name);
  }
});

test('rebase --unsafe onto something else gives another identity, onto the same parent elsewhere it does not', () => {
  const shell = shellIn();
  shell.run(`${BASE}; oriel vhd create c.vhd --parent base.vhd; mkdir m; cp -p base.vhd m/base.vhd;
    oriel vhd create other.vhd --size 6M`);
  const uuid = (): string => (JSON.parse(shell.run('oriel vhd info c.vhd --json').out) as { uuid: string }).uuid;
  const before = uuid();
  shell.run('oriel vhd rebase c.vhd --parent m/base.vhd --unsafe');
  expect(uuid()).toBe(before);
  shell.run('oriel vhd rebase c.vhd --parent other.vhd --unsafe --parents m');
  expect(uuid()).not.toBe(before);
});

test('what a cut file lost is said by its repair, by the same dry run, by every later check and by whoever reads it', () => {
  const shell = shellIn();
  shell.run(BASE);
  truncateSync(join(shell.folder, 'base.vhd'), statSync(join(shell.folder, 'base.vhd')).size - (3 << 20));
  expect(shell.run('oriel vhd check base.vhd').status).toBe(2);
  const dry = shell.run('oriel vhd check base.vhd --repair --dry-run');
  expect(readdirSync(shell.folder).toSorted()).toEqual(['base.vhd', 'r.raw']);
  const run = shell.run('oriel vhd check base.vhd --repair');
  expect({ dry: dry.status, run: run.status }).toEqual({ dry: 2, run: 2 });
  const plain = (text: string): string => text.replace(/^overwritten.*\n/m, '').replaceAll('would mend', 'mended');
  expect(plain(dry.out)).toBe(plain(run.out));
  expect(run.out).toContain('lost: ');
  shell.run('mv base.vhd renamed.vhd; cp renamed.vhd copy.vhd');
  for (const line of [
    'oriel vhd check copy.vhd',
    'oriel vhd hash copy.vhd',
    'oriel vhd convert copy.vhd o.raw',
    'oriel vhd export copy.vhd - | cat > /dev/null',
    'oriel vhd compact copy.vhd; oriel vhd check copy.vhd',
    'oriel vhd resize copy.vhd --size 8M; oriel vhd check copy.vhd',
    'oriel vhd check copy.vhd --repair',
  ])
    expect({ line, ...shell.run(line) }).toMatchObject({ line, status: 2 });
  const info = JSON.parse(shell.run('oriel vhd info copy.vhd --json').out) as { findings: readonly { code: string }[] };
  expect(info.findings.map(({ code }) => code)).toContain('DATA_LOST');
  // Which blocks lie at the end of the file is not said: as much as was cut off is gone, and everything else is there.
  const goneBytes = Number(shell.run('cmp -l o.raw r.raw | wc -l').out);
  expect(goneBytes).toBeGreaterThan(2 << 20);
  expect(goneBytes).toBeLessThan((3 << 20) + (64 << 10));
});

/**
 * Until the copy of a merge runs: what prepared it lies beside the child no more. A copy of 96 MiB takes less than a turn of
 * the event loop under load, so nothing else is done meanwhile.
 */
function waitForCopy(shell: Shell): void {
  const journalOf = (name: string): string => join(shell.folder, `.oriel-${name}.journal`);
  for (const end = Date.now() + 20_000; Date.now() < end; ) {
    try {
      const isBegun = readFileSync(journalOf('base.vhd'), 'utf8').includes('"plan":');
      if (isBegun && !existsSync(journalOf('c.vhd'))) return;
    } catch {} // Not there yet.
  }
  throw new Error('no copy');
}

describe('a merge that was cut off', () => {
  async function cutMerge(shell: Shell): Promise<string> {
    shell.run(`head -c 96M /dev/urandom > r.raw; oriel vhd create base.vhd --size 96M;
      oriel vhd create c.vhd --parent base.vhd; oriel vhd serve c.vhd --socket $PWD/nbd > up & server=$!
      until [ -s up ]; do sleep 0.05; done
      qemu-img convert -n -f raw -O raw r.raw nbd+unix:///?socket=$PWD/nbd; kill $server; wait; rm up`);
    const child = shell.start('vhd', 'merge', 'c.vhd');
    waitForCopy(shell);
    child.kill('SIGKILL');
    await once(child, 'exit');
    return shell.run('sha256sum < r.raw').out.slice(0, 64);
  }

  test('is left alone by what reads, and told by what writes; --abort and --continue say what they do', async () => {
    const shell = shellIn();
    const hash = await cutMerge(shell);
    const names = readdirSync(shell.folder).toSorted();
    expect(names).toContain('c.vhd');
    for (const line of ['hash c.vhd', 'map c.vhd', 'info c.vhd --chain', 'diff c.vhd r.raw', 'check c.vhd'])
      expect({ line, ...shell.run(`oriel vhd ${line}`) }).toMatchObject({ line, status: 0, err: '' });
    expect(shell.run('oriel vhd hash c.vhd').out).toContain(hash);
    expect(readdirSync(shell.folder).toSorted()).toEqual(names);
    for (const line of ['compact c.vhd', 'snapshot c.vhd', 'resize c.vhd --size 128M', 'merge c.vhd'])
      expect(shell.run(`oriel vhd ${line}`).err).toMatch(
        /--continue finishes it and removes .*c\.vhd, --abort.*\(IN_PROGRESS\)/,
      );
    // A repair takes nothing away: what it will not do, its dry run says too, and a check what to do.
    for (const how of ['--repair', '--repair --dry-run'])
      expect(shell.run(`oriel vhd check base.vhd ${how}`)).toMatchObject({
        status: 1,
        err: expect.stringMatching(/--continue finishes it and removes .*c\.vhd, --abort.*\(IN_PROGRESS\)/),
      });
    expect(shell.run('oriel vhd check base.vhd')).toMatchObject({
      status: 2,
      out: expect.stringMatching(/INTERRUPTED .*--continue finishes it and removes .*c\.vhd/),
    });
    expect(readdirSync(shell.folder).toSorted()).toEqual(names);
    expect(shell.run('oriel vhd merge c.vhd --continue --dry-run').out).toContain('c.vhd would be gone');
    expect(shell.run('oriel vhd merge c.vhd --abort').out).toContain('read as before');
    expect(shell.run('oriel vhd hash c.vhd').out).toContain(hash);
    expect(shell.run('oriel vhd merge c.vhd --abort').err).toContain('(NOT_FOUND)');
    expect(shell.run('oriel vhd merge c.vhd && oriel vhd hash base.vhd').out).toContain(hash);
  });

  test('is finished when that is asked for', async () => {
    const shell = shellIn();
    const hash = await cutMerge(shell);
    expect(shell.run('oriel vhd merge base.vhd --continue').out).toContain('c.vhd is gone');
    expect(shell.run('oriel vhd hash base.vhd').out).toContain(hash);
    expect(shell.run('oriel vhd check base.vhd').status).toBe(0);
  });
});

test('a copy gets an identity of its own', () => {
  const shell = shellIn();
  shell.run(
    'oriel vhd create a.vhd --size 4M; cp a.vhd b.vhd; oriel vhd create p.vhd --size 4M; oriel vhd create c.vhd --parent p.vhd',
  );
  expect(shell.run('oriel vhd identify b.vhd').status).toBe(0);
  const uuids = ['a.vhd', 'b.vhd'].map(
    (name) => (JSON.parse(shell.run(`oriel vhd info ${name} --json`).out) as { uuid: string }).uuid,
  );
  expect(new Set(uuids).size).toBe(2);
  expect(shell.run('oriel vhd identify p.vhd').err).toContain('(SEALED)');
  expect(shell.run('chmod u+w p.vhd; oriel vhd identify p.vhd').err).toContain('(HAS_CHILDREN)');
  expect(shell.run('oriel vhd check b.vhd').status).toBe(0);
});
