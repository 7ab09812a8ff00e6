/** A PostgreSQL of the tests' own: fresh folder, free port, gone afterwards. As user postgres where the tests run as root. */
import { execFile, spawn } from 'node:child_process';
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const VERSIONS = '/usr/lib/postgresql';

export interface TestPostgres {
  /** Makes an empty database and gives its URL. */
  database(name: string): Promise<string>;
  stop(): Promise<void>;
}

export async function startPostgres(): Promise<TestPostgres> {
  const version = readdirSync(VERSIONS).toSorted((a, b) => Number(b) - Number(a))[0];
  const bin = (name: string): string => path.join(VERSIONS, version ?? '', 'bin', name);
  const folder = mkdtempSync(path.join(tmpdir(), 'oriel-pg-'));
  const account = accountOf('postgres');
  const as = process.getuid?.() === 0 ? account : undefined;
  if (as !== undefined) chownSync(folder, as.uid, as.gid);
  const data = path.join(folder, 'data');
  const settings = { ...as, cwd: folder, env: { PATH: '/usr/bin:/bin', LC_ALL: 'C.UTF-8' } };
  await run(bin('initdb'), ['-D', data, '-A', 'trust', '-U', 'oriel', '-E', 'UTF8', '--no-sync'], settings);
  const port = await freePort();
  // Durability is not what these tests are about.
  const args = [
    '-D',
    data,
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-k',
    folder,
    '-c',
    'fsync=off',
    '-c',
    'max_connections=50',
  ];
  const server = spawn(bin('postgres'), args, { ...settings, stdio: ['ignore', 'ignore', 'pipe'] });
  const exited = new Promise<void>((resolve) => server.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    let said = '';
    server.stderr.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (said.includes('database system is ready to accept connections')) resolve();
    });
    server.once('exit', () => reject(new Error(`postgres ended: ${said}`)));
  });
  return {
    database: async (name) => {
      await run(bin('createdb'), ['-h', '127.0.0.1', '-p', String(port), '-U', 'oriel', name], settings);
      return `postgres://oriel@127.0.0.1:${port}/${name}`;
    },
    stop: async () => {
      server.kill('SIGINT'); // "fast": closes connections.
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function accountOf(name: string): { readonly uid: number; readonly gid: number } | undefined {
  if (!existsSync('/etc/passwd')) return undefined;
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(':') ?? [];
  return uid === undefined ? undefined : { uid: Number(uid), gid: Number(gid) };
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
