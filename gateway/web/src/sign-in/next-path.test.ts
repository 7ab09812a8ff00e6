import { expect, test } from 'vitest';
import { linkToken, nextPath, refusalOf } from './next-path.ts';

// Seen to fail with `(?![/\\])` taken out of the pattern.
test.for([
  { search: '?next=/desktops/a1', path: '/desktops/a1' },
  { search: '?next=%2Fconsole%2Fvms%3Fx%3D1', path: '/console/vms?x=1' },
  { search: '', path: '/' },
  { search: '?next=//evil.example', path: '/' },
  { search: '?next=/%5Cevil.example', path: '/' },
  { search: '?next=https://evil.example', path: '/' },
  { search: '?next=javascript:alert(1)', path: '/' },
  { search: '?next=/%09/evil.example', path: '/' },
  { search: '?next=/a%5C..', path: '/' },
])('S3: $search leads to $path', ({ search, path }) => {
  expect(nextPath(search)).toBe(path);
});

test('a link token is 43 characters of base64url, in the fragment', () => {
  const token = 'aB3-_'.repeat(8).concat('xyz');
  expect(linkToken(`#link=${token}`)).toBe(token);
  expect(linkToken('#link=short')).toBeUndefined();
  expect(linkToken('')).toBeUndefined();
});

test('a refusal of single sign-on is told in our own words, whatever stands in the address', () => {
  expect(refusalOf('#error=SIGN_IN_FAILED')).toBe('Sign-in refused');
  expect(refusalOf('#error=Call 555-1234')).toBeUndefined();
  expect(refusalOf('#error=toString')).toBeUndefined();
  expect(refusalOf('')).toBeUndefined();
});
