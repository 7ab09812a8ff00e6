import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

// Source is the truth in tests: the private export condition makes a workspace import resolve to src, so that no
// build stands between an edit and its test. (Tests that start the `oriel` command use dist, which pretest builds.)
const depth = Math.max(1, Number(process.env['ORIEL_TEST_DEPTH'] ?? 1) || 1);

/** The longest on two cores: begun late, one of them would be left to run alone at the end. */
const LONGEST = [
  'vhd/src/service/power-loss.test.ts',
  'test/web/axe.test.ts',
  'test/web/tools.test.ts',
  'test/cli/start.test.ts',
  'test/web/session.test.ts',
  'test/web/keyboard.test.ts',
  'test/vhd/safe.test.ts',
  'test/cli/oriel.test.ts',
];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => {
      const at = LONGEST.findIndex((name) => moduleId.endsWith(`/${name}`));
      return at === -1 ? LONGEST.length : at;
    };
    return (await super.sort(files)).toSorted((a, b) => place(a) - place(b));
  }
}

/** Tests of one part of the source: they leave nothing behind in their process, so many files share one. */
const UNIT = ['{machine,vhd,hosts}/src/**/*.test.ts', 'gateway/{src,api,relay,web}/**/*.test.{ts,tsx}'];
/** Of these each has a process of its own: their work is counted in minutes. */
const POWER_CUTS = 'vhd/src/**/power-loss*.test.ts';

const NEVER = [
  '**/node_modules/**',
  '**/dist/**',
  // Builds an image of 340 MiB and boots it for a minute: for whoever asks for it.
  ...(process.env['ORIEL_TEST_GRAPHICAL'] === '1' ? [] : ['test/hosts/graphical-guest.test.ts']),
];

export default defineConfig({
  resolve: { conditions: ['oriel-source'] },
  ssr: { resolve: { conditions: ['oriel-source'] } },
  test: {
    // A process for each file costs half a second of a processor, and most files of the source need less than that.
    projects: [
      { extends: true, test: { name: 'unit', include: UNIT, exclude: [POWER_CUTS, ...NEVER], isolate: false } },
      { extends: true, test: { name: 'whole', include: ['{test,tools}/**/*.test.ts', POWER_CUTS], exclude: NEVER } },
    ],
    sequence: { sequencer: LongestFirst },
    pool: 'forks',
    // As many as there are cores, where vitest takes one less: most tests wait for a process of theirs.
    maxWorkers: Math.max(2, availableParallelism()),
    // `npm run test:deep` runs programs that many times as long.
    testTimeout: 30_000 * depth,
    hookTimeout: 60_000,
  },
});
