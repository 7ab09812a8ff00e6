/** With images as qemu-img makes them, and descriptors as VMware writes them. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { extentsBeside, namesInDescriptor, otherFilesOf } from './other-files.ts';

let folder: string;
const at = (name: string): string => join(folder, name);
const qemuImg = (...args: string[]): unknown => execFileSync('qemu-img', args, { cwd: folder, stdio: 'pipe' });

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-links-'));
  for (const format of ['qcow', 'qcow2', 'qed', 'vmdk', 'vdi', 'vhdx', 'parallels'])
    qemuImg('create', '-f', format, `alone.${format}`, '4M');
  for (const format of ['qcow', 'qcow2', 'qed', 'vmdk'])
    qemuImg('create', '-f', format, '-b', `alone.${format}`, '-F', format, `child.${format}`);
  qemuImg('create', '-f', 'qcow2', '-o', 'data_file=data.raw', 'data.qcow2', '4M');
  qemuImg('create', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', 'flat.vmdk', '4M');
  qemuImg('create', '-f', 'vmdk', '-o', 'subformat=twoGbMaxExtentSparse', 'split.vmdk', '4M');
  const stream = ['-f', 'qcow2', '-O', 'vmdk', '-o', 'subformat=streamOptimized', 'alone.qcow2', 'stream.vmdk'];
  qemuImg('convert', ...stream);
  // Version 2 of qcow2 has no features; a descriptor can wear the magic of a file with data.
  qemuImg('create', '-f', 'qcow2', '-o', 'compat=0.10', 'old.qcow2', '4M');
  const disguised = Buffer.alloc(1024);
  disguised.write('KDMV', 0, 'latin1');
  disguised.writeBigUInt64LE(1n, 28);
  disguised.writeBigUInt64LE(1n, 36);
  disguised.write('RW 8192 FLAT "/etc/shadow" 0\n', 512, 'latin1');
  writeFileSync(at('disguised.vmdk'), disguised);
  writeFileSync(at('short.qcow2'), 'QFI\xfb');
  writeFileSync(at('empty.vmdk'), '');
  symlinkSync('flat-flat.vmdk', at('link'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('other files of an image', () => {
  test.for([
    { file: 'alone.qcow', others: [] },
    { file: 'alone.qcow2', others: [] },
    { file: 'old.qcow2', others: [] },
    { file: 'alone.vmdk', others: [] },
    { file: 'stream.vmdk', others: [] },
    { file: 'alone.vdi', others: [] },
    { file: 'alone.vhdx', others: [] },
    { file: 'alone.qed', others: [] },
    { file: 'alone.parallels', others: [] },
    { file: 'short.qcow2', others: [] },
    { file: 'empty.vmdk', others: [] },
    { file: 'child.qcow', others: ['alone.qcow'] },
    { file: 'child.qcow2', others: ['alone.qcow2'] },
    { file: 'child.qed', others: ['alone.qed'] },
    { file: 'child.vmdk', others: ['alone.vmdk'] },
    { file: 'data.qcow2', others: ['a data file of its own'] },
    { file: 'flat.vmdk', others: ['flat-flat.vmdk'] },
    { file: 'split.vmdk', others: ['split-s001.vmdk'] },
    { file: 'disguised.vmdk', others: ['/etc/shadow'] },
  ] as const)('of $file are $others', async ({ file, others }) => {
    const format = file.split('.')[1] as 'qcow2';
    expect(await otherFilesOf(at(file), format)).toEqual(others);
  });

  test.for(['flat', 'split'])('of a VMDK that is %s are its extents, where they lie beside it', async (kind) => {
    const [name = ''] = await otherFilesOf(at(`${kind}.vmdk`), 'vmdk');
    expect(await extentsBeside(at(`${kind}.vmdk`))).toEqual([at(name)]);
  });

  const SPARSE = 'RW 8192 SPARSE';
  test.for([
    { it: 'has an absolute path', text: 'RW 8192 FLAT "/etc/shadow" 0' },
    { it: 'climbs', text: 'RW 8192 FLAT "../../etc/shadow" 0' },
    { it: 'is in a folder', text: 'RW 8192 FLAT "sub/x.vmdk" 0' },
    { it: 'is the folder', text: 'RW 8192 FLAT ".." 0' },
    { it: 'is a link', text: 'RW 8192 FLAT "link" 0' },
    { it: 'is not there', text: 'RW 8192 FLAT "none" 0' },
    { it: 'is sparse and a descriptor itself', text: `${SPARSE} "flat.vmdk"` },
    { it: 'is sparse and a descriptor in disguise', text: `${SPARSE} "disguised.vmdk"` },
    { it: 'is sparse and has a parent', text: `${SPARSE} "child.vmdk"` },
    { it: 'lies beside a parent', text: 'RW 8192 FLAT "flat-flat.vmdk" 0\nparentFileNameHint="alone.vmdk"' },
  ])('an extent that $it is not taken', async ({ text }) => {
    writeFileSync(at('made.vmdk'), `# Disk DescriptorFile\nversion=1\ncreateType="custom"\n${text}\n`);
    expect(await extentsBeside(at('made.vmdk'))).toBeUndefined();
  });

  test('a pipe is refused at once, and a folder, too', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    for (const name of [at('pipe'), folder])
      await expect(otherFilesOf(name, 'vmdk')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  });

  test.for([
    { text: 'RW 63 FLAT "a b.vmdk" 0', names: ['a b.vmdk'] },
    { text: '\tRDONLY\t1\tSPARSE\t"x"\r\nNOACCESS 1 VMFS "y"', names: ['x', 'y'] },
    { text: 'RW 63 ZERO', names: [] },
    { text: 'parentFileNameHint = "/etc/passwd"', names: ['/etc/passwd'] },
    { text: '# RW 63 FLAT is a comment', names: [] },
  ])('$text names $names', ({ text, names }) => {
    expect(namesInDescriptor(text, true)).toEqual(names);
  });
});
