/** Parents in other folders: `create` and `rebase` say which flag an image needs, and with it, it opens. */
import { expect, test } from 'vitest';
import { shellIn } from './shell.ts';

test('a clone of an image elsewhere says which --parents it needs, opens with them, and without says what to do', () => {
  const shell = shellIn();
  const made = shell.run(`mkdir 't t' u v; oriel vhd create u/base.vhd --size 4M
    oriel vhd create 't t/mid.vhd' --parent u/base.vhd > /dev/null; oriel vhd create v/c.vhd --parent 't t/mid.vhd' --parents u`);
  expect(made.status).toBe(0);
  const flags = / it opens with (--parents .*)\n/.exec(made.out)?.[1] ?? '';
  expect(flags).toBe(`--parents '${shell.folder}/t t' --parents ${shell.folder}/u`);
  expect(shell.run(`oriel vhd hash v/c.vhd ${flags}`).status).toBe(0);
  const { status, err } = shell.run('oriel vhd hash v/c.vhd');
  expect({ status, err }).toMatchObject({ status: 1, err: expect.stringContaining('(mid.vhd, identity ') });
  for (const text of [
    '../t t/mid.vhd',
    `${shell.folder}/v/mid.vhd`,
    '--parents FOLDER',
    '--unsafe',
    '(PARENT_OUTSIDE)',
  ])
    expect(err.replaceAll('\\', '/')).toContain(text);
});

test('one that opens by itself needs none; --parents finds what was moved, rebase --unsafe ties it again', () => {
  const shell = shellIn();
  const made = shell.run(
    'mkdir new; oriel vhd create base.vhd --size 4M; oriel vhd create c.vhd --parent base.vhd --json',
  );
  expect(made.out).toContain('"parents": []');
  shell.run('mv base.vhd new/BASE.vhd');
  expect(shell.run('oriel vhd hash c.vhd').err).toContain('(PARENT_NOT_FOUND)');
  expect(shell.run('oriel vhd hash c.vhd --parents new').status).toBe(0);
  const tied = shell.run('oriel vhd rebase c.vhd --parent new/BASE.vhd --unsafe; oriel vhd hash c.vhd');
  expect(tied).toMatchObject({ status: 0, err: '' });
});

test('a parent with a backslash in its name, or in a folder of its path, is found where it is, and where it was moved to', () => {
  const shell = shellIn();
  const made =
    shell.run(String.raw`mkdir new 'f\g'; oriel vhd create 'a\b.vhd' --size 1M; oriel vhd create c.vhd --parent 'a\b.vhd'
    oriel vhd snapshot c.vhd --as 's\1.vhd'; oriel vhd create 'f\g/p.vhd' --size 1M; oriel vhd create d.vhd --parent 'f\g/p.vhd'`);
  expect(made).toMatchObject({ status: 0, err: '' });
  expect(shell.run('oriel vhd check c.vhd --chain')).toMatchObject({ status: 0, err: '' });
  expect(shell.run(String.raw`oriel vhd hash d.vhd --parents 'f\g'`)).toMatchObject({ status: 0, err: '' });
  expect(shell.run(String.raw`mv 'a\b.vhd' 's\1.vhd' c.vhd new; oriel vhd hash new/c.vhd`)).toMatchObject({
    status: 0,
  });
  expect(shell.run(String.raw`mv new/'a\b.vhd' 'f\g'; oriel vhd hash new/c.vhd --parents 'f\g'`).status).toBe(0);
});

test('two snapshots in one second, and of a name of 80 signs of three bytes, which leaves no room for more', () => {
  const shell = shellIn();
  const name = `${'名'.repeat(80)}.vhd`;
  const work = `set -e; oriel vhd create ${name} --size 1M
    for i in 1 2 3; do oriel vhd snapshot ${name} > /dev/null; done
    oriel vhd check ${name} --chain && oriel vhd merge ${name} && oriel vhd compact $(ls -t | head -1)`;
  expect(shell.run(work)).toMatchObject({ status: 0, err: '' });
  expect(shell.run('ls -A | wc -l').out.trim()).toBe('3');
  expect(shell.run('oriel vhd create x.vhd --size 2041G').err).toContain('2041 GiB, at most 2040 GiB');
});
