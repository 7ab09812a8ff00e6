/**
 * The import table of ARCHITECTURE.md as a test: who may import whom. A zone that matches no file fails too, so that a
 * renamed folder cannot leave its rule behind, green and checking nothing.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

interface Zone {
  /** Files whose path starts with this belong to the zone; the longest match wins. */
  readonly at: string;
  /** Path prefixes inside the repository that the zone may import, besides itself. */
  readonly inside: readonly string[];
  /** Packages of ours (`@oriel/…`) that it may name. */
  readonly packages?: readonly string[];
  /** Node built-ins are refused where a zone must run anywhere or stay pure. */
  readonly isPure?: boolean;
}

const VHD_BASE = ['vhd/src/errors.ts', 'vhd/src/units.ts'];
const GATEWAY_FEATURES = readdirSync(join(ROOT, 'gateway/src'), { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && !['cli', 'http'].includes(entry.name))
  .map((entry) => `gateway/src/${entry.name}/`);
const GATEWAY_BASE = ['gateway/src/config.ts', 'gateway/src/log.ts', 'gateway/src/errors.ts', 'gateway/shared/'];

const ZONES: readonly Zone[] = [
  { at: 'vhd/src/format/', inside: VHD_BASE, isPure: true },
  { at: 'vhd/src/disk/', inside: [...VHD_BASE, 'vhd/src/format/'] },
  { at: 'vhd/src/ops/', inside: [...VHD_BASE, 'vhd/src/format/', 'vhd/src/disk/'] },
  { at: 'vhd/src/nbd/', inside: [...VHD_BASE, 'vhd/src/disk/disk.ts'] },
  { at: 'vhd/src/service/', inside: [...VHD_BASE, 'vhd/src/format/', 'vhd/src/disk/', 'vhd/src/ops/', 'vhd/src/nbd/'] },
  { at: 'vhd/src/cli/', inside: ['vhd/src/'] },
  { at: 'vhd/src/', inside: ['vhd/src/'] },
  { at: 'hosts/src/qemu/', inside: ['hosts/src/ROOT'] },
  { at: 'hosts/src/fake/', inside: ['hosts/src/ROOT'] },
  { at: 'hosts/src/', inside: ['hosts/src/'] },
  { at: 'gateway/shared/', inside: [], isPure: true },
  { at: 'gateway/web/', inside: ['gateway/shared/'], isPure: true },
  { at: 'gateway/src/http/', inside: ['gateway/src/', 'gateway/shared/'] },
  { at: 'gateway/src/cli/', inside: ['gateway/src/', 'gateway/shared/'], packages: ['@oriel/vhd', '@oriel/hosts'] },
  ...GATEWAY_FEATURES.map((at) => ({
    at,
    inside: [...GATEWAY_BASE, ...GATEWAY_FEATURES, 'gateway/src/http/bind.ts'],
    packages: ['@oriel/vhd', '@oriel/hosts'],
  })),
  { at: 'gateway/src/', inside: ['gateway/src/', 'gateway/shared/'], packages: ['@oriel/vhd', '@oriel/hosts'] },
];

function* sourcesBelow(folder: string): Generator<string> {
  for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.name === 'node_modules' || entry.name === 'dist') continue;
    if (entry.isDirectory()) yield* sourcesBelow(path);
    else if (/\.tsx?$/.test(entry.name) && !/\.(test|config)\.tsx?$/.test(entry.name)) yield path;
  }
}

/** Every module name in the file: static imports, re-exports, dynamic imports. */
function importsOf(source: string): string[] {
  const pattern =
    /(?:^|\n)\s*(?:import|export)\s[^'"`;]*?from\s*['"]([^'"]+)['"]|(?:^|[^.\w])import\s*\(?\s*['"]([^'"]+)['"]/g;
  return [...source.matchAll(pattern)].map((match) => match[1] ?? match[2] ?? '');
}

function zoneOf(path: string): Zone | undefined {
  return ZONES.filter((zone) => path.startsWith(zone.at)).sort((a, b) => b.at.length - a.at.length)[0];
}

/** What is wrong with one import of one file, or nothing. */
function complaint(file: string, zone: Zone, name: string): string | undefined {
  if (name.startsWith('.')) {
    const target = relative(ROOT, normalize(join(ROOT, dirname(file), name)));
    const isRootFile = target.startsWith('hosts/src/') && !target.slice('hosts/src/'.length).includes('/');
    const isAllowed =
      target.startsWith(zone.at) ||
      zone.inside.some((prefix) => target.startsWith(prefix)) ||
      (isRootFile && zone.inside.includes('hosts/src/ROOT'));
    return isAllowed ? undefined : `${file} imports ${target}`;
  }
  if (name.startsWith('@oriel/')) {
    const isAllowed = zone.packages?.some((one) => name === one || name.startsWith(`${one}/`)) ?? false;
    return isAllowed ? undefined : `${file} imports ${name}`;
  }
  return zone.isPure && name.startsWith('node:') ? `${file} imports ${name}, and ${zone.at} is pure` : undefined;
}

const FILES = [...sourcesBelow('vhd/src'), ...sourcesBelow('hosts/src'), ...sourcesBelow('gateway')];

describe('import boundaries', () => {
  test.for(ZONES.map((zone) => zone.at))('%s holds files', (at) => {
    expect(FILES.some((file) => file.startsWith(at))).toBe(true);
  });

  test('every import stays inside the table', () => {
    const complaints = FILES.flatMap((file) => {
      const zone = zoneOf(file);
      if (zone === undefined) return [];
      return importsOf(readFileSync(join(ROOT, file), 'utf8')).flatMap((name) => complaint(file, zone, name) ?? []);
    });
    expect(complaints).toEqual([]);
  });

  test('only main imports the http server', () => {
    const others = FILES.filter(
      (file) => file.startsWith('gateway/src/') && !/^gateway\/src\/(http\/|main\.ts)/.test(file),
    );
    const offenders = others.filter((file) =>
      importsOf(readFileSync(join(ROOT, file), 'utf8')).some((name) => name.includes('/http/server')),
    );
    expect(offenders).toEqual([]);
  });

  test('a planted violation is seen', () => {
    const zone = zoneOf('vhd/src/format/footer.ts');
    if (zone === undefined) throw new Error('vhd/src/format/ has no zone');
    expect(complaint('vhd/src/format/footer.ts', zone, '../disk/disk.ts')).toContain('imports vhd/src/disk/disk.ts');
    expect(complaint('vhd/src/format/footer.ts', zone, 'node:fs')).toContain('is pure');
    expect(complaint('vhd/src/format/footer.ts', zone, '@oriel/hosts')).toContain('imports @oriel/hosts');
    expect(importsOf("import { a } from './a.ts';\nconst b = await import('./b.ts');\nimport './c.ts';")).toHaveLength(
      3,
    );
  });
});
