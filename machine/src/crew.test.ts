import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Crew, type CrewMember } from './crew.ts';

/** Says its pid, repeats what it is told, greets on each socket that it is handed; `stay` outlives its channel. */
const PROGRAM = `
process.on('message', (message, socket) => {
  if (socket) socket.end('from ' + process.pid);
  else if (message === 'die') process.kill(process.pid, 'SIGKILL');
  else if (message === 'stay') process.on('disconnect', () => setInterval(() => {}, 1000));
  else process.send({ said: message });
});
process.send({ up: process.pid });
`;

type Said = { readonly up?: number; readonly said?: string };
let folder: string;
let entry: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'oriel-crew-'));
  entry = join(folder, 'child.mjs');
  writeFileSync(entry, PROGRAM);
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function crewOf(count: number): { crew: Crew<{ isUp: boolean }, Said>; said: Said[]; ended: (number | undefined)[] } {
  const said: Said[] = [];
  const ended: (number | undefined)[] = [];
  const crew = new Crew<{ isUp: boolean }, Said>({
    count,
    entry,
    restartMs: 20,
    newState: () => ({ isUp: false }),
    onMessage: (member, message) => {
      if (message.up !== undefined) member.state.isUp = true;
      said.push(message);
    },
    onEnd: (member) => ended.push(member.pid),
  });
  return { crew, said, ended };
}

const isUp = (member: CrewMember<{ isUp: boolean }>): boolean => member.state.isUp;

describe('a crew', () => {
  test('starts one again that was killed, and says nothing to the one that is gone', async () => {
    const { crew, ended } = crewOf(2);
    await expect.poll(() => crew.members.filter(isUp).length, { timeout: 10_000 }).toBe(2);
    const [first] = crew.members as [CrewMember<{ isUp: boolean }>];
    first.send('die');
    await expect.poll(() => ended).toEqual([first.pid]);
    await expect.poll(() => crew.members.filter(isUp).length, { timeout: 10_000 }).toBe(2);
    expect(crew.members.map(({ pid }) => pid)).not.toContain(first.pid);
    expect(first.send('anything')).toBe(false);
    await crew.close();
    expect(crew.members).toEqual([]);
  });

  test('hands sockets over, and their server closes although the member was killed', async () => {
    const { crew } = crewOf(1);
    const server = createServer((socket: Socket) => void crew.members[0]?.send({ kind: 'socket' }, socket));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    await expect.poll(() => crew.members.every(isUp), { timeout: 10_000 }).toBe(true);
    const { port } = server.address() as { port: number };
    const { connect } = await import('node:net');
    const text = await new Promise<string>((resolve) =>
      connect(port, '127.0.0.1').once('data', (chunk) => resolve(chunk.toString())),
    );
    expect(text).toBe(`from ${crew.members[0]?.pid}`);
    crew.members[0]?.send('die');
    await new Promise((resolve) => server.close(resolve));
    await crew.close();
  });

  test('ends with us: also the member that would outlive its channel', async () => {
    const { crew, said } = crewOf(1);
    await expect.poll(() => crew.members.every(isUp), { timeout: 10_000 }).toBe(true);
    crew.members[0]?.send('stay');
    crew.members[0]?.send('heard');
    await expect.poll(() => said).toContainEqual({ said: 'heard' });
    await crew.close();
    expect(crew.members).toEqual([]);
  });
});
