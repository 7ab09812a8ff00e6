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
