/** Real files: what the operating system gives back in pieces is put together, what it refuses gets our codes. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openRealFile } from './real-file.ts';

let folder = '';

beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'oriel-file-'));
});

afterEach(() => {
  vi.restoreAllMocks();
  fs.rmSync(folder, { recursive: true });
});

const BYTES = Uint8Array.from({ length: 1000 }, (_, i) => i);

describe('short reads and writes are continued', () => {
  test('at once', async () => {
    const file = openRealFile(path.join(folder, 'a'), 'create');
    const write = fs.writeSync.bind(fs);
    const read = fs.readSync.bind(fs);
    type Io = (fd: number, buffer: NodeJS.ArrayBufferView, offset: number, length: number, position: number) => number;
    vi.spyOn(fs, 'writeSync').mockImplementation(((fd, buffer, offset, length, position) =>
      write(fd, buffer, offset, Math.min(length, 7), position)) as Io as typeof fs.writeSync);
    vi.spyOn(fs, 'readSync').mockImplementation(((fd, buffer, offset, length, position) =>
      read(fd, buffer, offset, Math.min(length, 13), position)) as Io as typeof fs.readSync);
    file.writeSync(BYTES, 100, 800, 50);
    const back = new Uint8Array(820);
    file.readSync(back, 10, 800, 50);
    expect(back.subarray(10, 810)).toEqual(BYTES.subarray(100, 900));
    expect(file.sizeBytes).toBe(850);
    await file.close();
  });

  test('through the thread pool', async () => {
    const file = openRealFile(path.join(folder, 'a'), 'create');
    type Done = (error: Error | null, count: number) => void;
    type Io = (fd: number, buffer: Uint8Array, offset: number, length: number, position: number, done: Done) => void;
    const write = fs.write.bind(fs) as Io;
    const read = fs.read.bind(fs) as Io;
    vi.spyOn(fs, 'write').mockImplementation(((fd, buffer, offset, length, position, done) =>
      write(fd, buffer, offset, Math.min(length, 300), position, done)) as Io as unknown as typeof fs.write);
    vi.spyOn(fs, 'read').mockImplementation(((fd, buffer, offset, length, position, done) =>
      read(fd, buffer, offset, Math.min(length, 170), position, done)) as Io as unknown as typeof fs.read);
    await file.write(BYTES, 0, 1000, 0);
    const back = new Uint8Array(1000);
    await file.read(back, 0, 1000, 0);
    expect(back).toEqual(BYTES);
    await file.close();
  });
});

describe('errors', () => {
  test.for([
    { errno: 'ENOSPC', code: 'NO_SPACE' },
    { errno: 'EDQUOT', code: 'NO_SPACE' },
    { errno: 'EIO', code: 'IO' },
  ])('$errno is $code, with the cause kept', async ({ errno, code }) => {
    const file = openRealFile(path.join(folder, 'a'), 'create');
    const cause = Object.assign(new Error(errno), { code: errno });
    vi.spyOn(fs, 'writeSync').mockImplementation(() => {
      throw cause;
    });
    expect(() => file.writeSync(BYTES, 0, 10, 0)).toThrow(expect.objectContaining({ code, cause }));
    await file.close();
  });

  test('the end of the file, a closed file, a missing one, one that is there', async () => {
    const name = path.join(folder, 'a');
    const file = openRealFile(name, 'create');
    file.writeSync(BYTES, 0, 10, 0);
    expect(() => file.readSync(new Uint8Array(20), 0, 20, 0)).toThrow(expect.objectContaining({ code: 'IO' }));
    await expect(file.read(new Uint8Array(20), 0, 20, 0)).rejects.toMatchObject({ code: 'IO' });
    expect(() => openRealFile(name, 'create')).toThrow(expect.objectContaining({ code: 'EXISTS' }));
    expect(() => openRealFile(path.join(folder, 'b'), 'read')).toThrow(expect.objectContaining({ code: 'NOT_FOUND' }));
    await file.close();
    await file.close();
    expect(() => file.readSync(BYTES, 0, 1, 0)).toThrow(expect.objectContaining({ code: 'CLOSED' }));
    await expect(file.sync()).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('what is no regular file is refused, and a pipe does not hang the open', () => {
    const pipe = path.join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    for (const name of [folder, '/dev/null', pipe]) {
      expect(() => openRealFile(name, 'read')).toThrow(expect.objectContaining({ code: 'UNSUPPORTED' }));
    }
  });
});
