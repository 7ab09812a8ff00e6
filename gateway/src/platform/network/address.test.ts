import { expect, test } from 'vitest';
import { networkOf, plainAddress, widerOf } from './address.ts';

test.for<{ text: string; plain: string | undefined; network?: string }>([
  { text: '192.0.2.7', plain: '192.0.2.7', network: '192.0.2.7' },
  { text: ' 192.0.2.7 ', plain: '192.0.2.7' },
  { text: '192.0.2.7:4711', plain: '192.0.2.7' },
  { text: '::ffff:192.0.2.7', plain: '192.0.2.7', network: '192.0.2.7' },
  { text: '::FFFF:c000:0207', plain: '192.0.2.7', network: '192.0.2.7' },
  { text: '0:0:0:0:0:ffff:c000:207', plain: '192.0.2.7' },
  { text: '2001:DB8:0:0:1::7', plain: '2001:db8::1:0:0:7', network: '2001:db8:0:0::/64' },
  { text: '2001:db8:1:2:3:4:5:6', plain: '2001:db8:1:2:3:4:5:6', network: '2001:db8:1:2::/64' },
  { text: '2001:db8:1:2:ffff::9', plain: '2001:db8:1:2:ffff::9', network: '2001:db8:1:2::/64' },
  { text: '[2001:db8::7]:443', plain: '2001:db8::7', network: '2001:db8:0:0::/64' },
  { text: 'fe80::1%eth0', plain: 'fe80::1', network: 'fe80:0:0:0::/64' },
  { text: '::1', plain: '::1', network: '0:0:0:0::/64' },
  { text: '999.1.1.1', plain: undefined },
  { text: 'unknown', plain: undefined, network: 'unknown' },
  { text: '_hidden', plain: undefined },
  { text: '', plain: undefined },
  { text: '2001:db8::7::1', plain: undefined },
])('$text is $plain', ({ text, plain, network }) => {
  expect(plainAddress(text)).toBe(plain);
  if (network !== undefined) expect(networkOf(text)).toBe(network);
});

test.for([
  ['192.0.2.7', '192.0.2.0/24'],
  ['2001:db8:1:2::7', '2001:db8:1::/48'],
  ['2001:db8::7', '2001:db8:0::/48'],
  ['unknown', 'unknown'],
] as const)('the larger network of %s is %s, and so is that of its network', ([address, wider]) => {
  expect(widerOf(address)).toBe(wider);
  expect(widerOf(networkOf(address))).toBe(wider);
});
