import { expect, test } from 'vitest';
import { browserName } from './browser-name.ts';

test.for([
  { agent: 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36', name: 'Chrome on Linux' },
  {
    agent: 'Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/156.0 Safari/537.36 Edg/156.0',
    name: 'Edge on Windows',
  },
  { agent: 'Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) Version/19.0 Safari/605', name: 'Safari on iOS' },
  {
    agent: 'Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:150.0) Gecko/20100101 Firefox/150.0',
    name: 'Firefox on macOS',
  },
  { agent: 'curl/8.0', name: 'curl/8.0' },
  { agent: '', name: 'unknown' },
])('$agent is $name', ({ agent, name }) => {
  expect(browserName(agent)).toBe(name);
});
