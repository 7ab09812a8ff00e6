/**
 * S50: settings that are surely wrong are refused at the start, with what to do. Taken, each would open a door or shut one
 * without a word. Seen to fail without `complaintAbout` in parseConfig: all of them were taken.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { parseConfig, requireFiles } from '../../gateway/src/config.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'oriel-s50-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const LDAP = { ORIEL_LDAP_URL: 'ldaps://directory.example', ORIEL_LDAP_BASE: 'dc=example' };
const OIDC = { ORIEL_OIDC_CLIENT_ID: 'oriel' };

describe('S50 refused at the start', () => {
  test.for<[string, Record<string, string>]>([
    ['trusts everybody', { ORIEL_TRUSTED_PROXY: '0.0.0.0/0' }],
    ['trusts everybody', { ORIEL_TRUSTED_PROXY: '10.0.0.1, ::/0' }],
    ['trusts everybody', { ORIEL_TRUSTED_PROXY: '0.0.0.0/1,128.0.0.0/1' }],
    ['trusts everybody', { ORIEL_TRUSTED_PROXY: '2000::/3' }],
    ['no address or network', { ORIEL_TRUSTED_PROXY: '10.0.0.0/33' }],
    ['no address or network', { ORIEL_TRUSTED_PROXY: '10.0.0.0/8/8' }],
    ['no address or network', { ORIEL_TRUSTED_PROXY: 'proxy.example' }],
    ['cannot be below one', { ORIEL_ORIGIN: 'https://example.org/oriel' }],
    ['cannot be below one', { ORIEL_ORIGIN: 'https://oriel.example, https://example.org/oriel/' }],
    ['cannot be below one', { ORIEL_ORIGIN: 'https://oriel.example/?a=1' }],
    ['a name or password', { ORIEL_ORIGIN: 'https://ann:secret@oriel.example' }],
    ['must be https', { ...OIDC, ORIEL_OIDC_ISSUER: 'http://login.example' }],
    ['without ? and #', { ...OIDC, ORIEL_OIDC_ISSUER: 'https://login.example/?realm=x' }],
    ['without ORIEL_OIDC_ISSUER', { ORIEL_OIDC_CLIENT_SECRET_FILE: '/x' }],
    ['has no {name}', { ...LDAP, ORIEL_LDAP_FILTER: '(objectClass=person)' }],
    ['every ( needs its )', { ...LDAP, ORIEL_LDAP_FILTER: '(&(uid={name})(a=b)' }],
    ['every ( needs its )', { ...LDAP, ORIEL_LDAP_FILTER: 'uid={name}' }],
    ['every ( needs its )', { ...LDAP, ORIEL_LDAP_FILTER: '(uid={name})(a=b)' }],
    ['needs ORIEL_LDAP_BIND_PASSWORD_FILE', { ...LDAP, ORIEL_LDAP_BIND_DN: 'cn=search' }],
    ['needs ORIEL_LDAP_BIND_DN', { ...LDAP, ORIEL_LDAP_BIND_PASSWORD_FILE: '/x' }],
    ['names no host', { ...LDAP, ORIEL_LDAP_URL: 'ldaps://' }],
    ['the host alone', { ...LDAP, ORIEL_LDAP_URL: 'ldap://cn=a:secret@directory.example' }],
    ['the host alone', { ...LDAP, ORIEL_LDAP_URL: 'ldaps://directory.example/dc=example' }],
    ['without ORIEL_LDAP_URL', { ORIEL_LDAP_CA: '/x' }],
    ['workers carry connections without TLS only', { ORIEL_TLS: 'on', ORIEL_WORKERS: '2' }],
  ])('what %s: %o', ([said, env]) => {
    expect(() => parseConfig(env)).toThrow(said);
    // What is wrong is said; what is secret in it is not.
    expect(() => parseConfig(env)).not.toThrow('secret@');
  });

  test.for<Record<string, string>>([
    { ORIEL_TRUSTED_PROXY: '10.0.0.0/8, 127.0.0.1, fd00::/8, fe80::/10, 2001:db8::/32' },
    { ORIEL_ORIGIN: 'https://oriel.example/, http://127.0.0.1:8443' },
    { ...OIDC, ORIEL_OIDC_ISSUER: 'https://login.example/realms/a' },
    { ...OIDC, ORIEL_OIDC_ISSUER: 'http://127.0.0.1:9000' },
    { ...LDAP, ORIEL_LDAP_FILTER: '(&(objectClass=person)(|(uid={name})(mail={name})))' },
    { ...LDAP, ORIEL_LDAP_BIND_DN: 'cn=search', ORIEL_LDAP_BIND_PASSWORD_FILE: '/x' },
  ])('what may be right is taken: %o', (env) => {
    expect(() => parseConfig(env)).not.toThrow();
  });

  test('a secret that is missing or empty', () => {
    const empty = path.join(folder, 'empty');
    writeFileSync(empty, '\n');
    for (const [file, said] of [
      [empty, 'is empty'],
      [path.join(folder, 'none'), 'cannot be read (ENOENT)'],
      [folder, 'cannot be read (EISDIR)'],
    ] as const) {
      const config = parseConfig({ ...LDAP, ORIEL_LDAP_BIND_DN: 'cn=search', ORIEL_LDAP_BIND_PASSWORD_FILE: file });
      expect(() => requireFiles(config)).toThrow(said);
    }
  });
});
