import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// Source is the truth in tests: the private export condition makes a workspace import resolve to src, so that no
// build stands between an edit and its test. (Tests that start the `oriel` command use dist, which pretest builds.)
const depth = Math.max(1, Number(process.env['ORIEL_TEST_DEPTH'] ?? 1) || 1);

export default defineConfig({
  resolve: { conditions: ['oriel-source'] },
  ssr: { resolve: { conditions: ['oriel-source'] } },
  test: {
    include: [
      '{machine,vhd,hosts}/src/**/*.test.ts',
      'gateway/{src,api,relay,web}/**/*.test.{ts,tsx}',
      'test/**/*.test.ts',
      'tools/**/*.test.ts',
    ],
    exclude: [
      '**/node_modules/**',
      '**/dist/**',
      // Builds an image of 270 MiB and boots it for a minute: for whoever asks for it.
      ...(process.env['ORIEL_TEST_GRAPHICAL'] === '1' ? [] : ['test/hosts/graphical-guest.test.ts']),
    ],
    pool: 'forks',
    // As many as there are cores, where vitest takes one less: most tests wait for a process of theirs.
    maxWorkers: Math.max(2, availableParallelism()),
    // `npm run test:deep` runs programs that many times as long.
    testTimeout: 30_000 * depth,
    hookTimeout: 60_000,
  },
});
