/**
 * Who may import whom, as ranks: a folder imports what stands on a lower line of its list, never beside, never above.
 * ARCHITECTURE.md shows the same lists as a map. Type imports count like any other. The rules are seen to fail: violations
 * are planted below.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Folders or files of one rank. Those of a line do not know each other; a knot (an array) still does, and is to be untied. */
type Rank = readonly (string | readonly string[])[];

interface House {
  /** Everything of the house lies below. */
  readonly at: string;
  /** Lowest first. Paths below `at`; one that ends in `.ts` is a file that stands by itself. */
  readonly ranks: readonly Rank[];
  /** Other houses that it may import by path. */
  readonly below?: readonly string[];
  /** Packages of ours that it may name. */
  readonly packages?: readonly string[];
  /** Folders in which nothing of Node is to be found: they run anywhere, or stay pure. */
  readonly pure?: readonly string[];
}

const HOUSES: readonly House[] = [
  {
    at: 'machine/src/',
    ranks: [
      [
        'errors.ts',
        'environment.ts',
        'confinement.ts',
        'room.ts',
        'process-ref.ts',
        'record-file.ts',
        'unix-listener.ts',
        'crew.ts',
        'lock-holder.ts',
        'owner-lock.ts',
      ],
      ['index.ts'],
    ],
  },
  {
    at: 'vhd/src/',
    ranks: [
      ['errors.ts', 'units.ts', 'usage.ts', 'disk.ts', 'limits.ts', 'unix-socket.ts'],
      ['storage', 'nbd'],
      ['image'],
      ['formats/vhd/codec', 'copy'],
      ['formats/format.ts'],
      ['formats/vhd', 'formats/raw'],
      ['formats'],
      ['chain'],
      ['ops'],
      ['ops/foreign'],
      ['objects'],
      ['restore-points'],
      ['service/control'],
      ['service/state'],
      ['service/policies'],
      ['service/threads'],
      ['service/disks'],
      ['service/live'],
      ['service'],
      ['index.ts', 'restore-points.ts', 'cli/base'],
      ['cli/vhd', 'cli/disks'],
      ['cli'],
    ],
    packages: ['@oriel/machine'],
    pure: ['formats/vhd/codec'],
  },
  {
    at: 'hosts/src/',
    ranks: [
      [
        'errors.ts',
        'guest-image.ts',
        'ids.ts',
        'spec.ts',
        'spec-diff.ts',
        'driver.ts',
        'event-log.ts',
        'task-book.ts',
        'picture.ts',
      ],
      ['qemu/qmp', 'qemu/process', 'fake'],
      ['qemu/agent'],
      ['qemu/vm'],
      ['qemu/verbs'],
      ['qemu/facets'],
      ['qemu'],
      ['index.ts', 'contract.ts'],
    ],
    packages: ['@oriel/machine'],
  },
  { at: 'gateway/api/', ranks: [['.']], pure: ['.'] },
  {
    at: 'gateway/relay/',
    ranks: [['tally.ts', 'stream'], ['conduit.ts'], ['rfb'], ['serial', 'workers']],
    below: ['gateway/api/'],
    packages: ['@oriel/hosts', '@oriel/machine'],
  },
  {
    at: 'gateway/src/',
    ranks: [
      ['errors.ts', 'log.ts', 'config-checks.ts'],
      [
        'config.ts',
        'platform/secrets',
        'platform/network',
        'platform/rights',
        'platform/process',
        'platform/store/migrations',
        'platform/store/tables',
      ],
      ['platform/store', 'platform/events', 'platform/api'],
      ['platform/tasks', 'identity/people', 'identity/audit'],
      ['identity/credentials'],
      ['identity/sign-in'],
      ['identity/routes', 'compute/hosts'],
      ['compute/vms'],
      ['compute/checkpoints'],
      ['storage/storages', 'desktops/desktops', 'operations/monitor'],
      ['storage/library'],
      ['storage/uploads'],
      ['protection/work', 'protection/retention', 'protection/disks'],
      ['protection/repositories'],
      ['protection/points'],
      ['protection/runs'],
      ['protection/restore', 'protection/jobs'],
      ['protection'],
      ['access/tickets', 'access/policies', 'access/protocols', 'access/decisions'],
      ['access/sessions'],
      ['access/doors'],
      ['access'],
      ['demo', 'edge/api', 'edge/local'],
      ['edge/http'],
      ['main.ts'],
      ['index.ts', 'start.ts'],
      ['cli/base'],
      ['cli/api-verbs', 'cli/local-verbs'],
      ['cli'],
    ],
    below: ['gateway/api/', 'gateway/relay/'],
    packages: ['@oriel/vhd', '@oriel/hosts', '@oriel/machine'],
  },
  {
    at: 'gateway/web/src/',
    ranks: [
      ['env.d.ts', 'text/english/console', 'text/plural.ts'],
      ['text/english'],
      ['text'],
      ['api', 'shell'],
      ['shell/frame', 'shell/card', 'session/link'],
      ['shell/form', 'shell/list', 'session/screen', 'sign-in'],
      ['console/policies'],
      [
        'session/panel',
        'session/serial',
        'account',
        'console/audit',
        'console/backups',
        'console/hosts',
        'console/images',
        'console/people',
        'console/sessions',
        'console/storages',
        'console/tasks',
      ],
      ['session/people', 'session/bar', 'console/vms'],
      ['session', 'console'],
      ['portal'],
      ['.'],
    ],
    below: ['gateway/api/'],
    pure: ['.'],
  },
];

const isTestOrHelper = (path: string): boolean => /\.test\.tsx?$|\/testing\//.test(path);

function* sourcesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    if (entry.isDirectory()) yield* sourcesBelow(path);
    else if (/\.tsx?$/.test(entry.name) && !entry.name.endsWith('.config.ts')) yield path;
  }
}

/** Every module name in the file: static imports, types included, re-exports, dynamic imports. */
function importsOf(source: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[^.\w])import\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

/** Rights are given by `makePrincipal` alone, as the compiler sees to; who may call it is seen to here. */
const makesPrincipals = (source: string): boolean =>
  /(?<!function )\bmakePrincipal\b(?=[,( ])/.test(source.replaceAll(/^.*(?:\/\/|\*).*$/gm, ''));

interface Room {
  readonly house: House;
  readonly name: string;
  readonly rank: number;
  /** The line's entry that it belongs to: itself, or its knot. */
  readonly group: string | readonly string[];
}

/** The room that a file lies in: its own name where it stands by itself, else its folder. */
function roomOf(path: string): Room | undefined {
  const house = HOUSES.find(({ at }) => path.startsWith(at));
  if (house === undefined) return undefined;
  const inside = path.slice(house.at.length);
  const folder = dirname(inside);
  for (const wanted of [inside, folder]) {
    for (const [rank, groups] of house.ranks.entries()) {
      const group = groups.find((one) => (typeof one === 'string' ? one === wanted : one.includes(wanted)));
      if (group !== undefined) return { house, name: wanted, rank, group };
    }
  }
  return undefined;
}

/** What is wrong with one import of one file, or nothing. */
function complaint(file: string, name: string): string | undefined {
  const room = roomOf(file);
  if (room === undefined) return `${file} lies in no room: give its folder a rank`;
  const { house } = room;
  if (name.startsWith('.')) {
    const target = relative(ROOT, normalize(join(ROOT, dirname(file), name)));
    if (!/\.tsx?$/.test(target)) return undefined; // A style sheet.
    if (!target.startsWith(house.at)) {
      const isBelow = house.below?.some((prefix) => target.startsWith(prefix)) ?? false;
      return isBelow ? undefined : `${file} imports ${target}`;
    }
    const other = roomOf(target);
    if (other === undefined) return `${target} lies in no room: give its folder a rank`;
    const isBase = room.rank === 0 && other.rank === 0 && room.name.endsWith('.ts') && other.name.endsWith('.ts');
    if (other.rank < room.rank || other.group === room.group || isBase) return undefined;
    if (target.endsWith('/ports.ts')) return undefined; // What a room asks of others, in its own words.
    return `${file} imports ${target}, which is not below it`;
  }
  if (name.startsWith('@oriel/')) {
    const isAllowed = house.packages?.some((one) => name === one || name.startsWith(`${one}/`)) ?? false;
    return isAllowed ? undefined : `${file} imports ${name}`;
  }
  const isPure = house.pure?.some((folder) => folder === '.' || folder === room.name) ?? false;
  return isPure && name.startsWith('node:') ? `${file} imports ${name}, and ${room.name} is pure` : undefined;
}

const FILES = HOUSES.flatMap(({ at }) => [...sourcesBelow(at.slice(0, -1))]).filter((file) => !isTestOrHelper(file));
const GRAPH: ReadonlyMap<string, readonly string[]> = new Map(
  FILES.map((file) => [file, importsOf(readFileSync(join(ROOT, file), 'utf8'))]),
);

/** A way from a node back to itself, or nothing. */
function cycleIn(edges: ReadonlyMap<string, ReadonlySet<string>>): readonly string[] | undefined {
  const isDone = new Set<string>();
  const walk = (node: string, way: readonly string[]): readonly string[] | undefined => {
    const at = way.indexOf(node);
    if (at !== -1) return [...way.slice(at), node];
    if (isDone.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const found = walk(next, [...way, node]);
      if (found !== undefined) return found;
    }
    isDone.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const found = walk(node, []);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** Edges between files, types included. */
function fileEdges(graph: ReadonlyMap<string, readonly string[]>): Map<string, Set<string>> {
  return new Map(
    [...graph].map(([file, names]) => [
      file,
      new Set(names.filter((name) => name.startsWith('.')).map((name) => normalize(join(dirname(file), name)))),
    ]),
  );
}

/** The same between rooms (a knot counts as one). */
function roomEdges(graph: ReadonlyMap<string, readonly string[]>): Map<string, Set<string>> {
  const key = (file: string): string | undefined => {
    const room = roomOf(file);
    return room && `${room.house.at}${[room.group].flat().join('+')}`;
  };
  const edges = new Map<string, Set<string>>();
  for (const [file, targets] of fileEdges(graph)) {
    const from = key(file);
    if (from === undefined) continue;
    const out = edges.get(from) ?? new Set();
    edges.set(from, out);
    for (const target of targets) {
      const to = key(target);
      if (to !== undefined && to !== from) out.add(to);
    }
  }
  return edges;
}

describe('import boundaries', () => {
  test('every room holds files', () => {
    const names = HOUSES.flatMap(({ at, ranks }) => ranks.flat(2).map((name) => `${at}${name}`));
    const empty = names.filter(
      (name) => !FILES.some((file) => file === name || dirname(file) === name.replace(/\/\.$/, '')),
    );
    expect(empty).toEqual([]);
  });

  test('every import goes down', () => {
    expect([...GRAPH].flatMap(([file, names]) => names.flatMap((name) => complaint(file, name) ?? []))).toEqual([]);
  });

  test('no cycle between files, and none between rooms', () => {
    expect(cycleIn(fileEdges(GRAPH))).toBeUndefined();
    expect(cycleIn(roomEdges(GRAPH))).toBeUndefined();
  });

  test('nothing that ships imports a test helper', () => {
    const offenders = [...fileEdges(GRAPH)].filter(([, targets]) => [...targets].some(isTestOrHelper));
    expect(offenders.map(([file]) => file)).toEqual([]);
  });

  test('who may do what comes from the rows: a principal is made where they are read, and nowhere else', () => {
    expect(FILES.filter((file) => makesPrincipals(readFileSync(join(ROOT, file), 'utf8')))).toEqual([
      'gateway/src/identity/people/accounts.ts',
    ]);
  });

  test('planted violations are seen', () => {
    const footer = 'vhd/src/formats/vhd/codec/footer.ts';
    expect(complaint(footer, '../dynamic-image.ts')).toContain('not below it');
    expect(complaint(footer, 'node:fs')).toContain('is pure');
    expect(complaint(footer, '@oriel/hosts')).toContain('imports @oriel/hosts');
    expect(complaint('gateway/src/platform/events/hub.ts', '../../identity/sign-in/auth.ts')).toContain('not below it');
    expect(complaint('gateway/src/compute/hosts/hosts.ts', '../../identity/routes/routes.ts')).toContain(
      'not below it',
    );
    expect(complaint('gateway/relay/stream/relay.ts', '../../src/log.ts')).toContain('imports gateway/src/log.ts');
    expect(complaint('gateway/src/nowhere/a.ts', './b.ts')).toContain('no room');
    expect(
      importsOf("import type { A } from './a.ts';\nconst b = await import('./b.ts');\nimport './c.ts';"),
    ).toHaveLength(3);
    const planted = new Map([
      ...GRAPH,
      ['gateway/src/platform/store/page.ts', ['../tasks/tasks.ts']],
      ['gateway/src/errors.ts', ['./log.ts']],
      ['gateway/src/log.ts', ['./errors.ts']],
    ]);
    expect(cycleIn(roomEdges(planted))).toBeDefined();
    expect(cycleIn(fileEdges(planted))).toBeDefined();
  });
});
