/** The units as systemd judges them, and the verbs that write them. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { UNIT_NAMES, unitsOf } from '../../gateway/src/cli/local-verbs/units.ts';
import { oriel } from '../support/gateway.ts';

const DOCS = fileURLToPath(new URL('../../docs/systemd/', import.meta.url));
const OPTIONS = {
  command: ['/usr/bin/env', 'oriel'],
  dataFolder: '/var/lib/oriel',
  disks: { storage: '/var/lib/oriel/disks', socket: '/var/lib/oriel/disks.sock', run: '/var/lib/oriel/run/d' },
  settingsFile: '/etc/oriel/oriel.env',
  isInHome: false,
  hasKvmGroup: true,
} as const;

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'oriel-units-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a unit', () => {
  test.for(UNIT_NAMES)('%s is in the documents as it is installed', (name) => {
    expect(readFileSync(path.join(DOCS, name), 'utf8')).toBe(unitsOf({ ...OPTIONS, scope: 'system' })[name]);
  });

  /** `--threshold` counts in tenths: 50 is where OK ends and MEDIUM begins. */
  test.for(UNIT_NAMES)('%s is rated OK or better', (name) => {
    const file = path.join(folder, name);
    writeFileSync(file, unitsOf({ ...OPTIONS, scope: 'system' })[name]);
    const args = ['security', '--offline=true', '--no-pager', '--threshold=50', file];
    const text = execFileSync('systemd-analyze', args, { encoding: 'utf8' });
    expect(text).toMatch(/Overall exposure level for .*: \d\.\d (OK|SAFE|PERFECT)/);
  });

  test.for(['system', 'user'] as const)('of scope %s is one that systemd takes', (scope) => {
    const units = unitsOf({ ...OPTIONS, scope, command: ['/bin/true'] });
    for (const name of UNIT_NAMES) writeFileSync(path.join(folder, name), units[name]);
    const files = UNIT_NAMES.map((name) => path.join(folder, name));
    // Its words about other units of this machine are none of ours.
    const run = (): string =>
      execFileSync('sh', ['-c', 'systemd-analyze verify --man=no "$@" 2>&1 || true', 'sh', ...files], {
        encoding: 'utf8',
      });
    expect(
      run()
        .split('\n')
        .filter((line) => line.includes(folder)),
    ).toEqual([]);
  });

  test('quotes what systemd would read', () => {
    const units = unitsOf({ ...OPTIONS, scope: 'user', command: ['/opt/my oriel/100%/$x'] });
    expect(units['oriel-gateway.service']).toContain('ExecStart="/opt/my oriel/100%%/$$x" start');
  });
});

describe('oriel service', () => {
  const at = (): Record<string, string> => ({ HOME: folder, XDG_CONFIG_HOME: path.join(folder, 'config') });

  test('installs, tells and uninstalls the units of a login', async () => {
    const run = (...words: string[]) => oriel(path.join(folder, 'data'), ['service', ...words], '', at());
    expect(await run('status', '--user')).toMatchObject({ status: 4 });
    const installed = await run('install', '--user', '--json');
    expect(installed).toMatchObject({ status: 0, err: '' });
    const place = path.join(folder, 'config', 'systemd', 'user');
    expect(JSON.parse(installed.out)).toMatchObject({
      units: UNIT_NAMES.map((name) => path.join(place, name)),
      dataFolder: path.join(folder, 'data'),
      account: null,
      started: false,
    });
    const text = readFileSync(path.join(place, 'oriel-gateway.service'), 'utf8');
    expect(text).toContain(`ORIEL_DATA=${path.join(folder, 'data')}`);
    expect(text).not.toContain('User=');
    const settings = path.join(folder, 'config', 'oriel', 'oriel.env');
    expect(statSync(settings).mode & 0o777).toBe(0o600);
    writeFileSync(settings, 'ORIEL_LOG=debug\n');
    expect(await run('install', '--user')).toMatchObject({ status: 0 });
    expect(readFileSync(settings, 'utf8')).toBe('ORIEL_LOG=debug\n');
    expect(JSON.parse((await run('status', '--user', '--json')).out)).toMatchObject([
      { unit: 'oriel-disks.service', installed: true },
      { unit: 'oriel-gateway.service', installed: true },
    ]);
    expect(await run('uninstall', '--user')).toMatchObject({ status: 0 });
    expect(readdirSync(place)).toEqual([]);
    expect(existsSync(settings)).toBe(true);
    expect(await run('uninstall', '--user')).toMatchObject({ status: 4 });
  });

  test('shows the units of the machine without writing them, and takes no odd folder', async () => {
    const printed = await oriel(folder, ['service', 'install', '--print', '--json', '--data', '/srv/oriel'], '', at());
    expect(Object.keys(JSON.parse(printed.out) as object)).toEqual([...UNIT_NAMES]);
    expect(printed.out).toContain('/srv/oriel/disks.sock');
    expect(await oriel(folder, ['service', 'install', '--print', '--data', '/srv/a b'], '', at())).toMatchObject({
      status: 64,
    });
  });
});
