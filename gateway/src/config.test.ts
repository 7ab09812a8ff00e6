import { expect, test } from 'vitest';
import { parseConfig, relayWorkersOf } from './config.ts';

test('relay workers: half of the cores, a number as it is', () => {
  const cores = [1, 2, 3, 4, 6, 8, 64];
  expect(cores.map((count) => relayWorkersOf('auto', false, count))).toEqual([0, 0, 0, 2, 3, 4, 4]);
  expect(cores.map((count) => relayWorkersOf('auto', true, count))).toEqual([0, 0, 0, 0, 0, 0, 0]);
  expect(relayWorkersOf('3', false, 1)).toBe(3);
  expect(relayWorkersOf('0', true, 8)).toBe(0);
  expect(() => relayWorkersOf('3', true, 8)).toThrow('workers carry connections without TLS only');
  expect(parseConfig({ ORIEL_WORKERS: '0' }).relayWorkers).toBe(0);
  expect(() => parseConfig({ ORIEL_WORKERS: 'many' })).toThrow('ORIEL_WORKERS: must be a number or auto');
});

test('what there is to look at is one of three', () => {
  expect(parseConfig({}).demo).toBe('linux');
  expect(parseConfig({ ORIEL_DEMO: 'desktop' }).demo).toBe('desktop');
  expect(() => parseConfig({ ORIEL_DEMO: 'fancy' })).toThrow(/^ORIEL_DEMO: .*"toy"\|"linux"\|"desktop"/);
});
