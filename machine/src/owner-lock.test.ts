/** With real processes, which are killed: that is what the lock is for. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { existsSync, linkSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ownerOf, takeOwnerLock } from './owner-lock.ts';
import { bootId, refOf } from './process-ref.ts';

const PROGRAM = fileURLToPath(new URL('./testing/contender.mjs', import.meta.url));
let folder: string;
let file: string;
let contenders: Contender[] = [];

/** A process that wants the lock. */
class Contender {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  readonly #lines: Interface;
  readonly gone: Promise<void>;
  readonly #said: string[] = [];
  #waiting: ((word: string) => void) | undefined;

  constructor(...mode: readonly string[]) {
    this.child = spawn(process.execPath, [PROGRAM, file, ...mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    this.gone = new Promise((resolve) => this.child.once('exit', () => resolve()));
    this.#lines = createInterface(this.child.stdout).on('line', (word) => {
      if (this.#waiting === undefined) this.#said.push(word);
      else this.#waiting(word);
      this.#waiting = undefined;
    });
    contenders.push(this);
  }

  word(): Promise<string> {
    const early = this.#said.shift();
    return early === undefined ? new Promise((resolve) => (this.#waiting = resolve)) : Promise.resolve(early);
  }

  onWord(listener: (word: string) => void): void {
    this.#lines.on('line', listener);
  }

  tell(word: string): void {
    this.child.stdin.write(`${word}\n`);
  }

  async take(): Promise<string> {
    this.tell('take');
    return this.word();
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.gone;
  }
}

async function crowd(count: number, ...mode: readonly string[]): Promise<Contender[]> {
  const all = Array.from({ length: count }, () => new Contender(...mode));
  await Promise.all(all.map((one) => one.word()));
  return all;
}

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-lock-'));
  file = join(folder, 'a.lock');
});

afterEach(async () => {
  await Promise.all(contenders.map((one) => one.kill()));
  contenders = [];
  rmSync(folder, { recursive: true, force: true });
});

describe('an owner lock', () => {
  test.for(['linked', 'plain'])(
    'of a killed owner goes to exactly one of six that want it at once (%s)',
    async (mode) => {
      let rest = await crowd(8, mode);
      let owner = rest.pop() as Contender;
      expect(await owner.take()).toBe('got');
      while (2 < rest.length) {
        await owner.kill();
        const words = await Promise.all(rest.map((one) => one.take()));
        expect(words.filter((word) => word === 'got')).toHaveLength(1);
        expect(words.filter((word) => word === 'held')).toHaveLength(rest.length - 1);
        owner = rest[words.indexOf('got')] as Contender;
        rest = rest.filter((one) => one !== owner);
        expect((await ownerOf(file))?.pid).toBe(owner.child.pid);
      }
      expect(readdirSync(folder).filter((name) => name.endsWith('.new'))).toEqual([]);
    },
  );

  test('is never held by two while its owners are killed at any moment', async () => {
    let turns = 0;
    const wrong: string[] = [];
    const start = (): void =>
      new Contender('churn').onWord((word) => {
        if (word === 'got') turns += 1;
        else wrong.push(word);
      });
    for (let i = 0; i < 5; i += 1) start();
    for (let killed = 0; killed < 40; killed += 1) {
      await delay(30 + Math.random() * 60); // Any moment is what is tried.
      const victim = contenders[Math.floor(Math.random() * contenders.length)] as Contender;
      await victim.kill();
      contenders = contenders.filter((one) => one !== victim);
      start();
    }
    expect(wrong).toEqual([]);
    expect(turns).toBeGreaterThan(40);
  });

  test('given back is free, for its owner alone to read while it is held, and leaves nothing', async () => {
    const lock = await takeOwnerLock(file, { at: 'somewhere' });
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(await ownerOf(file)).toMatchObject({ pid: process.pid, note: { at: 'somewhere' } });
    await expect(takeOwnerLock(file)).rejects.toMatchObject({
      code: 'HELD',
      message: expect.stringContaining(`${process.pid}`),
    });
    lock.release();
    lock.release();
    expect(await ownerOf(file)).toBeUndefined();
    expect(readdirSync(folder)).toEqual([]);
  });

  test('that somebody else has by now is not given back by an owner of before', async () => {
    const before = await takeOwnerLock(file);
    rmSync(file); // By force.
    const now = await takeOwnerLock(file);
    before.release();
    expect(existsSync(file)).toBe(true);
    now.release();
  });

  const living = { ...refOf(process.pid), token: 't' };
  test.for([
    { it: 'of before this boot', holder: { ...living, bootId: 'another' }, is: 'free' },
    { it: 'whose pid came back as another process', holder: { ...living, startTicks: 1 }, is: 'free' },
    { it: 'of another machine', holder: { ...living, bootId: 'another', host: 'elsewhere' }, is: 'held' },
    { it: 'of another container', holder: { ...living, space: 'pid:[1]' }, is: 'held' },
    { it: 'of 0.1.0, which lives', holder: { pid: process.pid, processStart: `${living.startTicks}` }, is: 'held' },
    { it: 'of 0.1.0, which is gone', holder: { pid: process.pid, processStart: '1', socketPath: '/s' }, is: 'free' },
    { it: 'that says nothing', holder: undefined, is: 'free' },
  ])('$it is $is', async ({ holder, is }) => {
    writeFileSync(file, holder === undefined ? '' : JSON.stringify({ bootId: bootId(), ...holder }));
    const taken = await takeOwnerLock(file).catch((error: Error) => error.message);
    expect(typeof taken === 'string' ? 'held' : 'free').toBe(is);
    if (typeof taken !== 'string') expect((await ownerOf(file))?.pid).toBe(process.pid);
  });

  test.for([true, false])('of another container is held while that one listens beside it (%s)', async (isLit) => {
    const beacon = createServer();
    if (isLit) await new Promise<void>((resolve) => beacon.listen(`${file}.t.at`, resolve));
    writeFileSync(file, JSON.stringify({ ...living, space: 'pid:[1]', hasBeacon: true }));
    const taken = await takeOwnerLock(file).then(
      () => 'free',
      (error: { code: string }) => error.code,
    );
    expect(taken).toBe(isLit ? 'HELD' : 'free');
    beacon.close();
  });

  test('of which nobody can know says what to do', async () => {
    writeFileSync(file, JSON.stringify({ ...living, space: 'pid:[1]' }));
    await expect(takeOwnerLock(file)).rejects.toThrow(`remove ${file}`);
  });

  /** The race of a successor that was slow: between its look and its name, another owned, shortened the line and gave back. */
  test('is not owned by a name that leads nowhere any more', async () => {
    writeFileSync(file, JSON.stringify({ ...living, startTicks: 1 }));
    let isFirst = true;
    const slow = takeOwnerLock(file, {}, (from, to) => {
      if (isFirst) {
        isFirst = false;
        const now = JSON.stringify({ ...living, token: 'quicker' });
        writeFileSync(`${file}.t`, now);
        rmSync(file);
        writeFileSync(file, now);
        rmSync(`${file}.t`);
      }
      linkSync(from, to);
    });
    await expect(slow).rejects.toMatchObject({ code: 'HELD' });
    expect(JSON.parse(readFileSync(file, 'utf8'))).toMatchObject({ token: 'quicker' });
    expect(readdirSync(folder)).toEqual(['a.lock']);
  });
});
